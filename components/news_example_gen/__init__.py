"""From the CSV files of a corpus to the Examples that the pipeline learns from and is judged on."""

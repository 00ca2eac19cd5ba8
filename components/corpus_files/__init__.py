"""The files of a corpus: reading them row by row, judging them, splitting them, getting them. No TFX in here."""

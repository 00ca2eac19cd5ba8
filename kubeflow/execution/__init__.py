"""How a step of the compiled pipeline runs: from what Kubeflow Pipelines hands over to a TFX executor, and back."""

"""From the pipeline to what a server of Kubeflow Pipelines 2 takes."""

"""A twin of a Kubeflow Pipelines server: it answers as one of 2.17.0 was seen to answer."""

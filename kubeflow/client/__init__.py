"""Everything that talks to a Kubeflow Pipelines API server."""

"""A cluster of Flink on Kubernetes for the steps over many rows."""

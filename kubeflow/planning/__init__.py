"""The step before the first node: what a run would do, which on a cluster is known only when it starts."""

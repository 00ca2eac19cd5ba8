"""Commands of `agnews` that need a cluster, and those about schedules."""

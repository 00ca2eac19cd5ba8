"""A Trainer that works in several pods: what asks the cluster for them, follows them and brings their model back."""

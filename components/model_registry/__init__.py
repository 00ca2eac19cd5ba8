"""A registry beside the model store, for teams that keep their models in one: MLflow's."""

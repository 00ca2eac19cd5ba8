"""How weights change in a training step: the optimizer, its schedule and the loss."""

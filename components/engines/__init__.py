"""Engines that answer in place of TensorFlow: what was made of a version for them, and how they are run."""

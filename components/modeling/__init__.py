"""Classifiers as Keras models, one layer a module; `factory` alone reads the configuration."""

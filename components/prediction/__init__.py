"""Answers for many texts: reading them from files and streams, asking the model, writing what it says. No TFX."""

"""The model as it is served: raw text in, class out, with the very tokens of training."""

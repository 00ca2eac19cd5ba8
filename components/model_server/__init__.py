"""The HTTP server in front of a pushed model, with TensorFlow Serving's REST interface."""

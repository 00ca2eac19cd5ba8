"""The Trainer's work as a document, done by this process or by several that it starts."""

"""Makes of a trained model what other engines run, before anybody judges it."""

"""From a text to token ids: cleaning, vocabulary and word pieces, all inside the TensorFlow graph."""

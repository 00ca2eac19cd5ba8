"""Pre-trained BERT encoders: found, checked, converted once, and handed on as SavedModels."""

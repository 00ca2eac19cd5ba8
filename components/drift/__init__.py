"""How far two samples of texts are apart: training rows, test rows, those of the last push, texts that were served."""

"""Labels that come back: given, asked for, agreed on, and written down to be learnt from."""

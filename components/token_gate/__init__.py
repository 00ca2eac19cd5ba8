"""Stops the run when texts did not become the tokens that an encoder expects, before anything is learnt from them."""

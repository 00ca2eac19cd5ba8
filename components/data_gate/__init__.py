"""Stops the run when the rows are not what the schema says, before anything is learnt from them."""

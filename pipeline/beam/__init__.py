"""Which runner takes the steps over many rows, and what is done so that none is waited for without words."""

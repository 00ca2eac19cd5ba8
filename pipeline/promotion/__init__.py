"""A version of the store on its way into production, without a run."""

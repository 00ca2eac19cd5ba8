"""Models of a version for other engines: converted, quantised, and held to the version that they are made of."""

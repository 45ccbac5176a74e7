"""Training of separators, on mixtures that are made on the way."""

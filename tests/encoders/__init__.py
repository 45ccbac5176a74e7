"""A package, so that a family may have a test of one name here and in parity."""

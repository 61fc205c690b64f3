"""Several ways to train, several seeds each: which is better, and how sure one can be."""

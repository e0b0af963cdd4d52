"""Papers on infinitely wide networks."""

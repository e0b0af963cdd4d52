"""Papers as documents: cards, claims, runs, records, citations and pages. Imports no JAX and no science."""

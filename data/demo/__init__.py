"""Generates MovieLens-like ratings with a known irreducible error."""

"""Generated ratings that look like MovieLens and whose irreducible error is known."""

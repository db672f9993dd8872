"""MovieLens ratings: formats, sets, splits and the demo generator."""

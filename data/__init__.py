"""MovieLens ratings: readers, splits, the demo generator."""

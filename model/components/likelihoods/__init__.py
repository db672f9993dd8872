"""How ratings are distributed around predictions: losses, expected ratings, probabilities."""

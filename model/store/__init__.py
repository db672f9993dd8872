"""The input of a model: train ratings by row, user and film, and statistics fitted on them."""

"""What a model is given: the train ratings by row, user and film, and what is fitted on them."""

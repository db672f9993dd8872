"""One module per architecture: its config, its model, and its default search space."""

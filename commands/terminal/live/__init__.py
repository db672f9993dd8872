"""A running study on the terminal: fed with events by `start`, from the storage by `--watch`."""

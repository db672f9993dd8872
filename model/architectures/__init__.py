"""One file an architecture: its config, its model, and the axes a search may tune."""

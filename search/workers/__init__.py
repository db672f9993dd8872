"""One process that runs trials: which trial is next, and what becomes of it."""

"""The processes that run a study: which trial is next, and what each does with it."""

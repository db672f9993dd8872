"""Running a study: opening it, its queue, the objective, endings and second chances."""

"""One trial of a study: opening the study, the objective, endings and second chances."""

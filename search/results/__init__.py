"""What a study has found: the reader, confirmation with intervals, sentences about it."""

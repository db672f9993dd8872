"""What a study is: its file, space, axes, limits and budget."""

"""Files as tables whose values are checked: where they are, their columns, ids and times."""

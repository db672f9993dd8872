"""What pruners and search policies find, on recorded curves."""

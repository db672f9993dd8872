"""The parts of `peers.py`, among them the models of other libraries."""

"""The commands: arguments in, text out. What a command does lives in `search`, `model` and `data`.

One file holds one command or a group that belongs together, as a Typer app that `cli.py` lists.
Imports of torch, Optuna and pandas wait until a command runs: `--help` must stay fast.
"""

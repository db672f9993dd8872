"""optuna-dashboard on a storage: who may use it, what it may change, and what it shows."""

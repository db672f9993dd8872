"""Studies over the configs of `model`. The only home of Optuna."""

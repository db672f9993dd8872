"""Which values a trial has: Optuna's samplers on conditional spaces, and a grid."""

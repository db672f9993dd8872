"""Rules that stop a trial, each with a reason; listed in the study file, and asked in that order.

pruners:
  - divergence: {}
  - collapse: {checks: 3}
  - plateau: {chance: 0.05}
  - median: {startup_trials: 5, warmup_epochs: 10}

collapse, divergence, plateau,     rules: plain arithmetic on a trial's epoch reports
hopeless, overfit_gap,
gpu_memory, budget
median, percentile,                Optuna's own, which compare trials at the same epoch
successive_halving, hyperband
"""

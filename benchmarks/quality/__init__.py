"""RMSE and rankings of models, also of other libraries."""

"""Search the factors of a study with Optuna."""

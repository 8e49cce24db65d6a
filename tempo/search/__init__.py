"""Optuna searches over the factors of a study: what to try next, and what came out."""

"""Sweeps of offline goal-conditioned RL experiments: SMORe and its baselines on Ray Tune and MLflow."""

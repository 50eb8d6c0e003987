"""Datasets: rollouts, pools on disk and importers."""

"""Datasets: roll-outs, pools on disk and importers."""

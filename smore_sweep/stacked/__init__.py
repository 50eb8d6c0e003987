"""Tensors with a leading member dimension: networks, random streams, episodes and samplers."""

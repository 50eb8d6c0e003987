"""Examine a machine: will sweeps run on it, right and how fast?"""

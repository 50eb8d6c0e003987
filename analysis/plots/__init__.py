"""Figures of frames: registry, drawing, style and files."""

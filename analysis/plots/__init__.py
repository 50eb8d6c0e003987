"""Figures as functions of frames: no file is read or written here."""

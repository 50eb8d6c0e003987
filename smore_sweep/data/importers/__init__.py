"""Bringing other people's episodes into the store: one file a format. ``smore-sweep data import --help``."""

"""Importers of published datasets, one module per format; see ``smore-sweep data import --help``."""

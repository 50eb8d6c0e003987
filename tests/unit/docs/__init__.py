"""The documentation: its commands, its code, its outputs and its generated pages."""

"""Fixtures for the whole suite come from the package's own pytest plugin."""

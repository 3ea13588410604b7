"""Wend: an internal developer platform that is run as a product."""

__version__ = "0.1.0"

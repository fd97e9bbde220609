"""Ask language models from a notebook."""

__version__ = "0.1.0"

"""The version of this distribution, compared with the backends' when one is opened."""

__version__ = "1.0.0a1"

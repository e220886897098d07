"""The version of this distribution, which must equal the core's."""

__version__ = "1.0.0a1"

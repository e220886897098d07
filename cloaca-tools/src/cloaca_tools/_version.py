# Generated from templates/addition/src/{{ package }}/_version.py.j2; edit that.
"""The version of this distribution, as a constant that is read without importing the rest."""

__version__ = "1.0.0a1"

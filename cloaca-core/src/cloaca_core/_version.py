<<<<<<< HEAD
"""The version of this distribution, compared with the backends' when one is opened."""
=======
# Generated from templates/core/src/{{ package }}/_version.py.j2; edit that instead.
"""The version of this distribution, as a constant that is read without importing the rest."""
>>>>>>> build

__version__ = "1.0.0a1"

# Generated from templates/backend/src/{{ package }}/__init__.py.j2; edit that.
"""The SQLite backend of cloaca; it is found by the scheme of a database URL."""

from cloaca_sqlite._version import __version__ as __version__
from cloaca_sqlite.backend import BACKEND as BACKEND

__all__ = ["BACKEND", "__version__"]

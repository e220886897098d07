"""The SQLite backend of cloaca: a driver, a dialect and its migrations."""

from cloaca_sqlite._version import __version__
from cloaca_sqlite.backend import BACKEND

__all__ = ["BACKEND", "__version__"]

"""Tells the user what to install when the engine is missing; imported before the engine.

The engine can be missing although pip installed both: ``pip uninstall cloaca-core`` removes it
alone. Its empty folder may be left, so this looks for a module in it.
"""

from __future__ import annotations

from importlib import import_module

from cloaca._version import __version__

try:
    import_module("cloaca_core._version")
except ModuleNotFoundError as error:
    if error.name not in {"cloaca_core", "cloaca_core._version"}:
        raise
    raise ImportError(
        f"cloaca {__version__} needs its engine, and cloaca-core is not installed. Install it:\n"
        f'    pip install "cloaca-core=={__version__}"\n'
        "or, if its wheel lies in a folder, as `python tasks.py package` builds it into dist/:\n"
        f'    pip install --no-index --find-links dist "cloaca-core=={__version__}"',
        name="cloaca_core",
    ) from None

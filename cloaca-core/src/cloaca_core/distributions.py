"""Finds the other distributions of cloaca without running their code: their version comes first.

Each part works with the core of its own version alone. The error for another version must say so,
and must not be the first import that fails.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

from cloaca_core._version import __version__
from cloaca_core.errors import MissingExtraError, missing_extra


def version_of(package: str) -> str | None:
    """``__version__`` in the package's ``_version.py``; None where it is not installed, or where
    only an empty folder of it is left.
    """
    found = find_spec(package)
    if found is None:
        return None
    name = f"{package}._version"
    spec = PathFinder.find_spec(name, found.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(getattr(module, "__version__", "unknown"))


def is_installed(package: str) -> bool:
    """Whether the package is installed in the core's version."""
    return version_of(package) == __version__


def require(package: str, feature: str, *, extra: str) -> None:
    """Raise ``MissingExtraError`` unless the package has the core's version. ``feature`` is what
    needs it; the message says how to install it.
    """
    found = version_of(package)
    if found is None:
        raise missing_extra(feature, extra, package)
    if found != __version__:
        raise MissingExtraError(
            f"Version mismatch detected! cloaca-core is {__version__}, {package} is {found}. "
            f'Reinstall them together: pip install "cloaca[{extra}]=={__version__}"',
            extra=extra,
            package=package,
        )

"""Judges the installed packages by their metadata, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

from cloaca_core._version import __version__
from cloaca_core.features.transfer.examination import Finding
from cloaca_core.store.backends import BackendInfo, available_backends

_DOOR: Final = "cloaca"
_CORE: Final = "cloaca-core"
_BESIDE: Final = {"cloaca-tools": "cli", "cloaca-testing": "testing"}
"""Parts that extras of ``cloaca`` bring, beside the backends, each with such an extra."""


def of_installed(
    find: Callable[[str], Distribution] = distribution,
    backends: Callable[[], list[BackendInfo]] = available_backends,
) -> list[Finding]:
    """Findings about the package ``cloaca``, the parts that its extras bring, and the backends."""
    return [*_of_door(find), *_of_parts(find), *_of_backends(backends())]


def _of_door(find: Callable[[str], Distribution]) -> Iterator[Finding]:
    """The public index has another project's cloaca, which needs no cloaca-core."""
    door = _found(find, _DOOR)
    if door is None:
        return
    if not any(each.startswith(_CORE) for each in door.requires or ()):
        yield Finding(
            "foreign_cloaca",
            "error",
            f"the installed cloaca {door.version} is another project's",
            f"pip install 'cloaca=={__version__}' from where you got cloaca-core",
        )
    elif door.version != __version__:
        yield _differs(_DOOR, door.version, _DOOR)


def _of_parts(find: Callable[[str], Distribution]) -> Iterator[Finding]:
    for name, extra in _BESIDE.items():
        part = _found(find, name)
        if part is not None and part.version != __version__:
            yield _differs(name, part.version, f"{_DOOR}[{extra}]")


def _found(find: Callable[[str], Distribution], name: str) -> Distribution | None:
    """The installed distribution; None where it runs from its sources, or is not there."""
    try:
        return find(name)
    except PackageNotFoundError:
        return None


def _differs(name: str, version: str, wanted: str) -> Finding:
    return Finding(
        "versions_differ",
        "error",
        f"{name} is {version}, cloaca-core is {__version__}",
        f"pip install '{wanted}=={__version__}'",
    )


def _of_backends(backends: list[BackendInfo]) -> Iterator[Finding]:
    for each in backends:
        if not each.usable:
            yield Finding(
                "backend_unusable",
                "warning",
                f"the backend {each.name} is installed and cannot work: {each.reason}",
                f"pip install 'cloaca[{each.name}]=={__version__}', or uninstall it",
            )

"""Whether the cloaca that is installed is ours, and its backends work."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError
from typing import cast

from tables import each_row

from cloaca_core._version import __version__
from cloaca_core.doctor.installed import of_installed
from cloaca_core.store.backends import BackendInfo


class Package:
    """The metadata of an installed package."""

    def __init__(self, version: str, requires: list[str] | None) -> None:
        self.version = version
        self.requires = requires


OURS = Package(__version__, ["click", f"cloaca-core=={__version__}"])


def codes(package: Package | None, *backends: BackendInfo) -> list[str]:
    def find(name: str) -> Distribution:
        if package is None:
            raise PackageNotFoundError(name)
        return cast("Distribution", package)

    return [each.code for each in of_installed(find, lambda: list(backends))]


@each_row(
    ("package", "found"),
    [
        (OURS, []),
        (None, []),  # it runs from its sources
        (Package("0.12.0", None), ["foreign_cloaca"]),
        (Package(__version__, ["click"]), ["foreign_cloaca"]),
        (Package("0.0.1", ["cloaca-core==0.0.1"]), ["versions_differ"]),
    ],
)
def test_the_package_is_known_by_what_it_requires(
    package: Package | None, found: list[str]
) -> None:
    assert codes(package) == found


def test_a_backend_that_cannot_work_is_found() -> None:
    usable = BackendInfo("sqlite", __version__, usable=True)
    broken = BackendInfo("postgres", __version__, usable=False, reason="no libpq")

    assert codes(OURS, usable, broken) == ["backend_unusable"]

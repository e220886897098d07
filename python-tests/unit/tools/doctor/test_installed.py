"""Whether the cloaca that is installed is ours, and its backends work."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError
from typing import cast

from tables import each_row

from cloaca_core._version import __version__
from cloaca_core.store.backends import BackendInfo
from cloaca_tools.doctor.installed import of_installed


class Package:
    """The metadata of an installed package."""

    def __init__(self, version: str, requires: list[str] | None) -> None:
        self.version = version
        self.requires = requires


OURS = Package(__version__, ["click", f"cloaca-core=={__version__}"])


def codes(package: Package | None, *backends: BackendInfo, **parts: Package) -> list[str]:
    installed = {name.replace("_", "-"): part for name, part in parts.items()}
    if package is not None:
        installed["cloaca"] = package

    def find(name: str) -> Distribution:
        if name not in installed:
            raise PackageNotFoundError(name)
        return cast("Distribution", installed[name])

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


@each_row("name", ["cloaca_tools", "cloaca_testing"])
def test_a_part_of_another_version_is_found(name: str) -> None:
    assert codes(OURS, **{name: OURS}) == []
    assert codes(OURS, **{name: Package("0.0.1", [])}) == ["versions_differ"]


def test_a_backend_that_cannot_work_is_found() -> None:
    usable = BackendInfo("sqlite", __version__, usable=True)
    broken = BackendInfo("postgres", __version__, usable=False, reason="no libpq")

    assert codes(OURS, usable, broken) == ["backend_unusable"]

"""Finds the installed backends, checks whether each can work, and chooses one for a database URL.

A backend's version constant is read before any of its other code runs. So for a backend of another
version the error says that, and is not the first import that fails. A backend is imported only when
it is needed. Results are not cached, as Python caches the modules.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cloaca_core._version import __version__
from cloaca_core.distributions import version_of
from cloaca_core.errors import (
    AmbiguousBackendError,
    BackendError,
    BackendForcedError,
    BackendNotFoundError,
    BackendUnusableError,
    BackendVersionError,
    ConfigTypeError,
)
from cloaca_core.store.urls import may_have_scheme, scheme_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from cloaca_core.store.protocol import Backend

ENTRY_POINT_GROUP = "cloaca.backends"
FORCE_VARIABLE = "CLOACA_BACKEND"

# A URL without a scheme is a file's name, and ``file:`` is SQLite's own form of one.
_SCHEMES_OF = {"sqlite": ("sqlite", "file"), "postgres": ("postgresql", "postgres")}
_OUR_SCHEMES = frozenset(scheme for schemes in _SCHEMES_OF.values() for scheme in schemes)
_URLS_OF = {
    "sqlite": "sqlite://work.db, or sqlite:///var/lib/work.db for an absolute path",
    "postgresql": "postgresql://user:password@host:5432/database",
    "postgres": "postgresql://user:password@host:5432/database",
}
"""The form to suggest for a URL with a driver's name in its scheme, as SQLAlchemy writes it."""
_MEMBERS = ("name", "schemes", "version", "unusable_reason", "check_url", "open")
_MODULES = {"sqlite": "cloaca_sqlite", "postgres": "cloaca_postgres"}
_DOOR_VERSION = "cloaca._version"


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """An installed backend. ``reason`` says why an unusable one cannot be used."""

    name: str
    version: str | None
    usable: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """The origin of a backend: a module of cloaca, or a third party's entry point."""

    name: str
    schemes: tuple[str, ...]
    module: str = ""
    entry_point: EntryPoint | None = None


# -- questions -----------------------------------------------------------------------------------


def backend_for(url: str) -> Backend:
    """The backend that opens this URL and can work. Raises a ``BackendError`` with the reason if
    there is none.
    """
    _refuse_other_types(url)
    source = _source_for_scheme(_scheme_of(url) or "sqlite")
    _refuse_if_another_is_forced(source)
    return _load(source)


def knows_scheme_of(url: str) -> bool:
    """Whether a backend for such URLs is known, installed or not."""
    return (_scheme_of(url) or "sqlite") in _known_schemes()


def get_backend() -> str:
    """The name of the one backend that can work here, or of the forced one."""
    if forced := forced_backend():
        _load(_source_named(forced))
        return forced
    usable = [each.name for each in available_backends() if each.usable]
    if len(usable) > 1:
        raise AmbiguousBackendError(
            f"Multiple backends installed: {', '.join(usable)}. Open a runner with a database "
            f"URL, whose scheme decides, or set {FORCE_VARIABLE} to one of them.",
            names=usable,
        )
    if not usable:
        raise _none_usable()
    return usable[0]


def chosen_backend() -> str | None:
    """As ``get_backend``, with None where that raises: the value of ``cloaca.__backend__``."""
    try:
        return get_backend()
    except BackendError:
        return None


def available_backends() -> list[BackendInfo]:
    """Every installed backend by name, with whether it can work here. Imports their drivers."""
    return [_info(source) for source in sorted(_installed(), key=lambda each: each.name)]


# -- from a URL to a backend ---------------------------------------------------------------------


def _refuse_other_types(url: object) -> None:
    if not isinstance(url, str):
        message = f"database_url must be a str or a path, not {type(url).__name__}"
        raise ConfigTypeError(message, field="database_url")


def _scheme_of(url: str) -> str | None:
    """The URL's scheme, if any. Schemes of third parties are looked up last: finding their entry
    points takes a search of all installed packages.
    """
    scheme = scheme_of(url, _OUR_SCHEMES)
    if scheme is None and may_have_scheme(url):
        return scheme_of(url, _known_schemes())
    return scheme


def _known_schemes() -> list[str]:
    return [scheme for source in _sources() for scheme in source.schemes]


def _source_for_scheme(scheme: str) -> _Source:
    for source in _sources():
        if scheme in source.schemes:
            return source
    known = f"known are: {', '.join(_known_schemes())}"
    if (form := _URLS_OF.get(scheme.partition("+")[0])) is not None:
        known = f"a driver is not named here, as SQLAlchemy's URLs do: write {form}"
    raise BackendNotFoundError(
        f"No backend opens database URLs of the scheme {scheme!r}; {known}", scheme=scheme
    )


def _source_named(name: str) -> _Source:
    for source in _sources():
        if source.name == name:
            return source
    known = ", ".join(sorted(source.name for source in _sources()))
    message = f"{FORCE_VARIABLE}={name!r} names no backend; known are: {known}"
    raise BackendNotFoundError(message, backend=name)


def _refuse_if_another_is_forced(source: _Source) -> None:
    forced = forced_backend()
    if forced and _source_named(forced) != source:
        raise BackendForcedError(
            f"{FORCE_VARIABLE} forces the backend {forced!r}, but the database URL is for "
            f"{source.name!r}. Change the URL or unset {FORCE_VARIABLE}.",
            forced=forced,
            wanted=source.name,
        )


def forced_backend() -> str:
    """The name that ``CLOACA_BACKEND`` forces, "" when it is not set."""
    return os.environ.get(FORCE_VARIABLE, "").strip().lower()


# -- where backends come from --------------------------------------------------------------------


def _sources() -> Iterator[_Source]:
    """Our own backends, whether installed or not, then third parties' backends."""
    for name, module in _MODULES.items():
        yield _Source(name, _SCHEMES_OF[name], module)
    yield from _third_parties()


def _third_parties() -> Iterator[_Source]:
    """Backends of entry points. The names of the entry points are the schemes, so no code of third
    parties runs for this.

    Several entry points for one object are one backend, with the name of the first.
    """
    # Imported here: it would double the time of ``import cloaca``.
    from importlib.metadata import entry_points

    by_target: dict[str, list[EntryPoint]] = {}
    for found in entry_points(group=ENTRY_POINT_GROUP):
        if found.name not in _OUR_SCHEMES:
            by_target.setdefault(found.value, []).append(found)
    for several in by_target.values():
        schemes = tuple(each.name for each in several)
        yield _Source(schemes[0], schemes, entry_point=several[0])


def _installed() -> Iterator[_Source]:
    return (each for each in _sources() if each.entry_point or find_spec(each.module))


# -- loading one ---------------------------------------------------------------------------------


def _load(source: _Source) -> Backend:
    """Import and check a backend; each kind of fault raises an error of its own."""
    part = f"the {source.name} backend"
    _refuse_other_door(source.name)
    if source.entry_point is None:
        _refuse_other_version(source.name, _version_constant(source), part=part)
    backend = _import(source)
    _refuse_other_version(source.name, backend.version, part=part)
    if backend.unusable_reason is not None:
        raise BackendUnusableError(backend.unusable_reason, backend=source.name)
    return backend


def _version_constant(source: _Source) -> str:
    """``__version__`` from the backend's ``_version.py`` alone; its driver is not started."""
    if find_spec(source.module) is None:
        raise _not_installed(source)
    version = version_of(source.module)
    if version is None:
        message = f"The {source.name} backend is damaged: it has no {source.module}._version"
        raise BackendUnusableError(message, backend=source.name)
    return version


def _refuse_other_door(name: str) -> None:
    """Refuse a package ``cloaca``, the door, of another version. The core itself never imports it,
    so it is checked only if the program has imported it.
    """
    door = sys.modules.get(_DOOR_VERSION)
    if door is not None:
        _refuse_other_version(name, str(door.__version__), part="cloaca")


def _refuse_other_version(name: str, version: str, *, part: str) -> None:
    if version != __version__:
        raise BackendVersionError(
            f"Version mismatch detected! cloaca-core is {__version__}, {part} is {version}. "
            f"Reinstall them together: {_install_command(name)}",
            backend=name,
            found=version,
            expected=__version__,
        )


def _import(source: _Source) -> Backend:
    """The object that the backend exports; ``BackendUnusableError`` says why there is none."""
    try:
        return _exported(source)
    except Exception as error:  # a driver may fail in any way while it is imported
        raise _broken(source, error) from error


def _exported(source: _Source) -> Backend:
    if source.entry_point is None:
        backend: Backend = import_module(source.module).BACKEND
    else:
        backend = source.entry_point.load()
    lacking = [name for name in _MEMBERS if not hasattr(backend, name)]
    if lacking:
        told = f"what it exports as a backend has no {', '.join(lacking)}"
        raise AttributeError(told + _hint(source.entry_point))
    return backend


def _hint(entry_point: EntryPoint | None) -> str:
    """The hint for an entry point that names a module instead of an object in it."""
    if entry_point is None or entry_point.attr:
        return ""
    return f"; its entry point must name the object, as in {entry_point.module}:BACKEND"


def _broken(source: _Source, error: Exception) -> BackendUnusableError:
    return BackendUnusableError(
        f"The {source.name} backend is installed, but its driver cannot be loaded: "
        f"{type(error).__name__}: {error}",
        backend=source.name,
    )


def _info(source: _Source) -> BackendInfo:
    try:
        backend = _load(source)
    except BackendError as error:
        return BackendInfo(source.name, _version_or_none(source), usable=False, reason=str(error))
    return BackendInfo(source.name, backend.version, usable=True)


def _version_or_none(source: _Source) -> str | None:
    try:
        if source.entry_point is None:
            return _version_constant(source)
        return _import(source).version
    except BackendError:
        return None


# -- no usable backend ---------------------------------------------------------------------------


def _not_installed(source: _Source) -> BackendNotFoundError:
    if not any(each.usable for each in available_backends()):
        return _nothing_available(source.name)
    return BackendNotFoundError(
        f"The {source.name} backend is not installed. Install it:\n"
        f"    {_install_command(source.name)}",
        backend=source.name,
    )


def _none_usable() -> BackendError:
    """The error when no backend is usable; about a wrong version, if there is one."""
    for source in _installed():
        try:
            _load(source)
        except BackendVersionError as error:
            return error
        except BackendError:
            continue
    return _nothing_available()


def _nothing_available(wanted: str | None = None) -> BackendNotFoundError:
    commands = "\n".join(f"    {_install_command(name)}" for name in _MODULES)
    found = "".join(
        f"\nInstalled, but not usable: {each.name}: {each.reason}" for each in available_backends()
    )
    message = f"No Cloaca backend available. Install one:\n{commands}{found}"
    return BackendNotFoundError(message, backend=wanted)


def _install_command(name: str) -> str:
    """The command with its version: without one, pip would install another project's code."""
    if name in _MODULES:
        return f'pip install "cloaca[{name}]=={__version__}"'
    return f"install a release of the {name} backend made for cloaca {__version__}"

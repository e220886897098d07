"""``diagnose`` and ``check``: what is wrong with a database, as data; changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloaca_core.assembly.open_store import open_store
from cloaca_core.assembly.store import Store, TransferStore
from cloaca_core.engine.runtime.loop_thread import run_on_own_loop
from cloaca_core.features.transfer.backends import ExaminedBackend
from cloaca_core.features.transfer.examination import Finding
from cloaca_core.store.backends import backend_for
from cloaca_core.store.protocol import Backend, StoreOptions
from cloaca_core.store.urls import url_of
from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock
from cloaca_tools.doctor.installed import of_installed
from cloaca_tools.doctor.judgement import of_schema, of_strays, of_work, worst_first
from cloaca_tools.doctor.work import read_work


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``findings`` are empty for a sound database, else the worst first. ``versions`` are those of
    server or library and driver; ``schema`` is the number of the last migration; ``size`` is in
    bytes.
    """

    findings: tuple[Finding, ...]
    backend: str
    versions: Mapping[str, str]
    schema: int
    size: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON."""
        return {
            "backend": self.backend,
            "versions": dict(self.versions),
            "schema": self.schema,
            "size": self.size,
            "findings": [each.to_dict() for each in self.findings],
        }


def diagnose(
    database_url: str | os.PathLike[str],
    *,
    schema: str | None = None,
    deep: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> Diagnosis:
    """Find what is wrong with a database, its runners and what is installed here.

    Nothing is made, migrated or written. ``deep`` also checks all pages and indexes, which may take
    minutes, and looks for rows that are left over. Raises ``StoreOpenError`` when there is no such
    database, or it cannot be reached.
    """
    url = url_of(database_url)
    backend = backend_for(url)
    backend.check_url(url)
    options = StoreOptions(schema=schema, read_only=True, clock=clock)
    return run_on_own_loop(_diagnose(backend, url, options, deep=deep))


def check(
    database_url: str | os.PathLike[str], *, schema: str | None = None
) -> tuple[Finding, ...]:
    """Find what is damaged in a database: tables, indexes, pages, and rows of runs that are not
    there. Reads all of it, and changes nothing; the worst findings first.
    """
    url = url_of(database_url)
    backend = backend_for(url)
    backend.check_url(url)
    options = StoreOptions(schema=schema, read_only=True)
    return run_on_own_loop(_check(backend, url, options))


async def _diagnose(backend: Backend, url: str, options: StoreOptions, *, deep: bool) -> Diagnosis:
    if not isinstance(backend, ExaminedBackend):
        found = await _of_store(backend, url, options, deep=deep)
        return Diagnosis(worst_first([*found, *of_installed()]), backend.name, {}, 0, 0)
    examiner = await backend.examine(url, options)
    try:
        schema, facts = await examiner.schema(), await examiner.facts()
        found = [*of_schema(schema), *await examiner.settings()]
        if deep:
            found += await examiner.damage()
    finally:
        await examiner.close()
    if schema.is_current:
        found += await _of_store(backend, url, options, deep=deep)
    findings = worst_first([*found, *of_installed()])
    return Diagnosis(findings, backend.name, facts.versions, schema.applied, facts.size)


async def _of_store(
    backend: Backend, url: str, options: StoreOptions, *, deep: bool
) -> list[Finding]:
    store = await open_store(backend, url, options)
    try:
        found = of_work(await read_work(store, options.clock.wall()))
        return [*found, *await _of_rows(store)] if deep else found
    finally:
        await store.close()


async def _of_rows(store: Store) -> list[Finding]:
    if not isinstance(store, TransferStore):
        return []
    strays = await store.transfer().strays()
    return of_strays({f"cloaca_{name}": number for name, number in strays.items()})


async def _check(backend: Backend, url: str, options: StoreOptions) -> tuple[Finding, ...]:
    found: list[Finding] = []
    is_current = True
    if isinstance(backend, ExaminedBackend):
        examiner = await backend.examine(url, options)
        try:
            schema = await examiner.schema()
            is_current = schema.is_current
            found = [*of_schema(schema), *await examiner.damage()]
        finally:
            await examiner.close()
    if is_current:
        store = await open_store(backend, url, options)
        try:
            found += await _of_rows(store)
        finally:
            await store.close()
    return worst_first(found)

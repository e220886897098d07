"""A short look at the health of an open database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

import cloaca
from cloaca_tools.doctor import glance as module
from cloaca_tools.doctor.glance import glance


@pytest.fixture
def client(database_url: str) -> Iterator[cloaca.Client]:
    with cloaca.Client(database_url, registry=cloaca.Registry()) as opened:
        yield opened


def test_a_sound_database_has_a_size_and_no_findings(client: cloaca.Client) -> None:
    found = glance(client).wait()

    assert not found.findings
    assert found.database_bytes is None or found.database_bytes > 0


def test_the_size_is_not_read_where_many_runs_would_be_counted(
    runner: cloaca.DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloaca.WorkflowBuilder("glanced"):

        @cloaca.task
        def only(context: cloaca.Context) -> None: ...

    runner.submit("glanced", delay=timedelta(hours=1))
    assert glance(runner).wait().database_bytes is not None

    monkeypatch.setattr(module, "MOST", 1)
    assert glance(runner).wait().database_bytes is None

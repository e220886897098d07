"""Runs that were exported, called again in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca.testing import Harness, harness
from cloaca_core.errors import ConfigError, TaskNotFoundError

WHEN = "2026-05-01T10:00:00+00:00"


@pytest.fixture
def registry() -> cloaca.Registry:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def prepare(context: cloaca.Context) -> None:
            raise AssertionError("it is not called")

        @cloaca.task(dependencies=[prepare], retry_attempts=5)
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            token = handle.step("token", lambda: "a new one")
            if context["amount"] < 0:
                raise ValueError(f"cannot charge {context['amount']}")
            return {"token": token, "attempt": handle.attempt, "key": handle.idempotency_key}

        @cloaca.task(dependencies=[prepare])
        def ask(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            return {"answer": handle.wait_for("answer")}

    return registry


def case(**changes: Any) -> dict[str, Any]:
    charge = {
        "status": "Failed",
        "attempt": 3,
        "started_at": WHEN,
        "input": {"amount": -5},
        "change": None,
        "memos": [
            {"kind": "step", "name": "token", "number": 1, "value": "the old one", "calls": 0}
        ],
        "error": {"type": "ValueError", "message": "cannot charge -5", "traceback": "…"},
    }
    ask = {**charge, "status": "Running", "memos": [], "attempt": 1, "error": None}
    return {
        "kind": "cloaca case",
        "schema": 1,
        "run": {
            "id": "run-1",
            "workflow": "public::embedded::order",
            "version": "v",
            "status": "Failed",
            "round": 1,
            "created_at": WHEN,
            "tags": {"a": "b"},
            "error": "task 'charge' failed",
        },
        "input": {"amount": 5},
        "tasks": {"charge": charge, "ask": ask},
        "messages": [
            {"kind": "event", "name": "answer", "payload": 1, "sent_by": None, "taken_by": "old"},
            {"kind": "event", "name": "answer", "payload": 42, "sent_by": "a", "taken_by": None},
        ],
        "masked": [],
        **changes,
    }


def test_a_failed_task_fails_again_as_it_did(registry: cloaca.Registry) -> None:
    with harness(registry) as h:
        loaded = h.load(case())

        assert (loaded.failed, loaded.input) == (["charge"], {"amount": 5})
        assert loaded.error == "task 'charge' failed"
        with pytest.raises(ValueError, match="cannot charge -5"):
            loaded.only_task()


def test_the_task_has_exactly_what_it_had(registry: cloaca.Registry) -> None:
    data = case()
    data["tasks"]["charge"]["input"] = {"amount": 5}
    with harness(registry) as h:
        done = h.load(data).only_task("charge")

    assert done["token"] == "the old one"  # noqa: S105 - no secret: what a step has kept
    assert done["attempt"] == 3
    assert "run-1" in done["key"]


def test_messages_that_were_unread_are_there(registry: cloaca.Registry) -> None:
    with harness(registry) as h:
        assert h.load(case()).only_task("ask")["answer"] == 42


def test_a_task_can_be_called_again_and_another_body_put_in_its_place(
    registry: cloaca.Registry,
) -> None:
    with harness(registry) as h:
        loaded = h.load(case())
        with pytest.raises(ValueError, match="cannot charge"):
            loaded.only_task()
        h.replace("order", "charge", lambda context: {"paid": -context["amount"]})

        assert loaded.only_task() == {"amount": -5, "paid": 5}


def test_a_case_is_read_from_its_file(registry: cloaca.Registry, tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case()), encoding="utf-8")
    with harness(registry) as h:
        assert h.load(file).failed == ["charge"]
        assert h.load(str(file)).workflow == "public::embedded::order"


@each_row(
    ("data", "message"),
    [
        ({}, "no case that cloaca has exported"),
        (case(schema=2), "the form 2, this version reads 1"),
    ],
)
def test_other_documents_are_refused(data: dict[str, Any], message: str) -> None:
    with harness(cloaca.Registry()) as h, pytest.raises(ConfigError, match=message):
        h.load(data)


@pytest.mark.parametrize("content", [b"no JSON", b"\xff", b"[1]"], ids=["text", "bytes", "list"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_bytes(content)

    with (
        harness(cloaca.Registry()) as h,
        pytest.raises(ConfigError, match="no case that cloaca has exported"),
    ):
        h.load(file)


def test_a_task_that_had_not_begun_is_refused(registry: cloaca.Registry) -> None:
    with harness(registry) as h, pytest.raises(TaskNotFoundError, match="had not begun"):
        h.load(case()).only_task("prepare")


def test_of_several_failed_tasks_one_is_to_be_named(registry: cloaca.Registry) -> None:
    data = case()
    data["tasks"]["ask"]["status"] = "Failed"
    with harness(registry) as h, pytest.raises(ConfigError, match="charge, ask failed"):
        h.load(data).only_task()


def test_its_repr_says_what_failed(registry: cloaca.Registry) -> None:
    with Harness(registry) as h:
        assert repr(h.load(case())) == (
            "<case of 'public::embedded::order': Failed; task 'charge' failed>"
        )

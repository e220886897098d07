"""Any record becomes one line of JSON."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from typing import Any

from tables import each_row

from cloaca_core.features.telemetry.json_logs import JsonFormatter


def lines_of(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    logger = logging.getLogger("cloaca.engine")
    return logger.makeRecord(
        "cloaca.engine", logging.INFO, "f.py", 1, message, args, None, extra=extra
    )


def test_a_record_is_an_object_with_its_ids() -> None:
    made = record("run %s: %s", "r", "started", event="cloaca.run.started", run_id="r")
    made.created = 1_774_747_800.004211

    assert lines_of(made) == {
        "time": "2026-03-29T01:30:00.004211Z",
        "level": "INFO",
        "logger": "cloaca.engine",
        "message": "run r: started",
        "process": os.getpid(),
        "host": socket.gethostname(),
        "event": "cloaca.run.started",
        "run_id": "r",
    }


def test_an_exception_is_kept_for_other_handlers_as_well() -> None:
    made = record("it broke")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        made.exc_info = sys.exc_info()

    found = lines_of(made)

    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith("ValueError: two\nlines")
    assert made.exc_text == found["exception"]


def test_a_stack_is_kept() -> None:
    made = record("here")
    made.stack_info = "Stack (most recent call last):\n  here"
    assert lines_of(made)["stack"] == made.stack_info


@each_row(
    ("value", "text"),
    [
        (float("nan"), "nan"),
        ({("a", 1): 2}, "{('a', 1): 2}"),
        ({1}, "{1}"),
    ],
)
def test_a_value_without_a_form_is_its_text(value: object, text: str) -> None:
    assert lines_of(record("odd", odd=value))["odd"] == text


def test_extra_replaces_no_field_of_the_record() -> None:
    assert lines_of(record("real", time="never", level="none"))["level"] == "INFO"


def test_a_circle_is_its_text() -> None:
    circle: list[object] = []
    circle.append(circle)
    assert lines_of(record("odd", odd=circle))["odd"] == "[[...]]"

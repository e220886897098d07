"""The form that starts a run as another one was started."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_core.values.payloads.redaction import Redaction
from cloaca_tools.ui.forms.start_texts import LONGEST, start_texts
from cloaca_tools.views.run.starts import RunStart

START = RunStart("r", "a::w", {"n": 1, "token": "x"}, {"shop": "no", "pin": "1"}, 3)


def texts(start: RunStart, *, whole: bool) -> dict[str, Any]:
    return start_texts(start, Redaction(), whole=whole)


@each_row("whole", [True, False])
def test_a_form_has_the_context_without_secrets(whole: bool) -> None:
    found = texts(START, whole=whole)

    assert (found["like"], found["context"]) == ("r", '{\n  "n": 1,\n  "token": "***"\n}')
    assert (found.get("tags"), found.get("priority")) == (
        ("shop=no", "3") if whole else (None,) * 2
    )


def test_a_context_that_is_too_long_is_left_out() -> None:
    start = RunStart("r", "a::w", {"n": "x" * LONGEST}, {}, 0)

    assert texts(start, whole=False) == {"long": "r"}


def test_an_empty_context_is_an_empty_text() -> None:
    assert texts(RunStart("r", "a::w", {}, {}, 0), whole=True) == {
        "like": "r",
        "context": "",
        "tags": "",
        "priority": "",
    }

"""Records of cloaca are without the secrets that its runners know."""

from __future__ import annotations

import gc
import logging

import pytest

from cloaca_core.clean_records import cleaned, redact_with
from cloaca_core.logs import SafeLogger
from cloaca_core.values.payloads.redaction import Redaction

LOG = SafeLogger("cloaca.test")


@pytest.fixture(autouse=True)
def redaction() -> Redaction:
    """A redaction in use; it ends with the test."""
    made = Redaction()
    made.add("s3cret")
    redact_with(made)
    return made


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as found:
        return found


def test_a_record_without_a_secret_stays_as_it_is() -> None:
    args, options = ("ann", 7), {"extra": {"run_id": "r"}, "exc_info": raised(ValueError("bad"))}

    found = cleaned("run of %s: %d", args, options)

    assert found == ("run of %s: %d", args, options)
    assert found[1] is args
    assert found[2] is options


def test_a_secret_is_hidden_in_the_message_and_in_what_is_filled_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    LOG.warning("s3cret: %s of 100%%", ValueError("no s3cret"), extra={"run_id": "r"})

    (record,) = caplog.records
    assert record.getMessage() == "***: no *** of 100%"
    assert "s3cret" not in str(vars(record))
    assert record.run_id == "r"  # type: ignore[attr-defined]  # extra


def test_a_traceback_with_one_is_a_part_of_the_message(caplog: pytest.LogCaptureFixture) -> None:
    error = raised(ValueError("no s3cret"))
    LOG.error("it failed", exc_info=error)
    try:
        raise KeyError("again") from error
    except KeyError:
        LOG.exception("it failed")

    first, second = caplog.records
    assert first.getMessage().startswith("it failed\nTraceback")
    assert first.getMessage().endswith("\nValueError: no ***")
    assert second.getMessage().endswith("\nKeyError: 'again'")
    assert "s3cret" not in caplog.text
    assert not any("s3cret" in repr(vars(each)) or each.exc_info for each in caplog.records)


def test_it_is_hidden_once_its_redaction_learns_of_it(
    redaction: Redaction, caplog: pytest.LogCaptureFixture
) -> None:
    redaction.add("another")
    redact_with(more := Redaction())
    more.add("the third")

    LOG.error("s3cret, another, the third")

    assert caplog.messages == ["***, ***, ***"]


def test_a_redaction_ends_with_its_owner() -> None:
    redact_with(mine := Redaction())
    mine.add("mine")
    assert cleaned("mine", (), {})[1] == ("***",)

    del mine
    gc.collect()

    assert cleaned("mine", (), {}) == ("mine", (), {})


def test_a_record_that_nobody_wants_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloaca_core.logs.cleaned", None)

    LOG.debug("s3cret")

    assert not LOG.isEnabledFor(logging.DEBUG)

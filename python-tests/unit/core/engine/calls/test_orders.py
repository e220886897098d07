"""Who asks for what, and why: as the caller says, else the user of this process."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator

import pytest
from tables import each_row

from cloaca_core.engine.calls import orders
from cloaca_core.engine.calls.orders import checked_order, order_of_submission
from cloaca_core.engine.order import Order
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.values.text import is_storable


@pytest.fixture(autouse=True)
def ann_at_a_desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The name of the user is read once in each process; here it is once in each test."""
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    monkeypatch.setattr(socket, "gethostname", lambda: "desk")
    orders._this_user.cache_clear()
    yield
    orders._this_user.cache_clear()


def test_an_order_says_what_its_caller_says() -> None:
    assert checked_order("cancel", "too late", "bob") == Order("cancel", "bob", "too late")


def test_by_default_the_user_of_this_process_asks_and_gives_no_reason() -> None:
    assert checked_order("pause", None, None) == Order("pause", "ann@desk", None)


@pytest.mark.parametrize("error", [OSError(), KeyError("uid not found"), ImportError("pwd")])
def test_a_user_without_a_name_may_ask(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert checked_order("pause", None, None).asked_by == "user@desk"


@pytest.mark.parametrize(
    ("user", "host"),
    [
        ("ann", "d" * 300),  # a name of 255 characters is the longest that a caller may give
        ("\udcff", "desk"),  # bytes of the environment that are no text
        ("ann", "\udcff" * 300),
    ],
)
def test_any_name_of_a_user_can_be_stored(
    monkeypatch: pytest.MonkeyPatch, user: str, host: str
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    monkeypatch.setattr(socket, "gethostname", lambda: host)

    asked_by = checked_order("pause", None, None).asked_by

    assert is_storable(asked_by)
    assert len(asked_by) <= 255


@each_row(("reason", "by", "field"), [("", None, "reason"), (None, "", "by"), (None, " \t", "by")])
def test_an_empty_text_is_refused_by_its_name(
    reason: str | None, by: str | None, field: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{field}") as refused:
        checked_order("cancel", reason, by)

    assert refused.value.field == field


def test_another_type_is_refused_too() -> None:
    with pytest.raises(ConfigTypeError, match=r"^by must be a str, not int"):
        checked_order("cancel", None, 3)  # type: ignore[arg-type]  # refused


def test_a_run_that_is_submitted_again_is_retried_for_that_reason() -> None:
    order = order_of_submission()

    assert (order.kind, order.asked_by) == ("retry", "ann@desk")
    assert order.because() == "retried by ann@desk: submitted again"

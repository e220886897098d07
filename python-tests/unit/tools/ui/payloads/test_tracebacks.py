"""The frame of the user's own code in a traceback, and what is folded beside it."""

from __future__ import annotations

import traceback

from cloaca_tools.ui.payloads.tracebacks import parsed

HTTPX = """Traceback (most recent call last):
  File "/srv/shop/prices.py", line 88, in publish
    shop.put("/prices", part)
    ~~~~~~~~^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.12/site-packages/httpx/_client.py", line 900, in put
    return self.request(
           ^^^^^^^^^^^^^
  File "/venv/lib/python3.12/site-packages/httpx/_client.py", line 814, in request
    return self.send(request)
  File "/usr/lib/python3.12/socket.py", line 5, in create
    raise OSError("no route")
OSError: no route
"""
CHAINED = f"""Traceback (most recent call last):
  File "/srv/shop/client.py", line 3, in read
    int("x")
ValueError: invalid literal

The above exception was the direct cause of the following exception:

{HTTPX}"""


def test_the_last_frame_of_the_users_own_code_is_the_main_one() -> None:
    found = parsed(HTTPX)

    assert found.main is not None
    assert (found.main.file, found.main.line, found.main.name) == (
        "/srv/shop/prices.py",
        88,
        "publish",
    )
    assert found.main.source == ('shop.put("/prices", part)',)
    assert found.main.place == "srv/shop/prices.py"


def test_the_others_are_counted_by_their_packages() -> None:
    found = parsed(HTTPX)

    assert [frame.library for frame in found.others] == ["httpx", "httpx", "Python"]
    assert found.others_words == "3 more frames, 2 of them in httpx"


def test_an_error_that_is_raised_from_another_names_it() -> None:
    found = parsed(CHAINED)

    assert found.main is not None
    assert found.main.name == "publish"
    assert found.causes == ("ValueError: invalid literal",)


def test_without_code_of_the_user_the_last_frame_is_the_main_one() -> None:
    text = HTTPX.replace("/srv/shop/", "/venv/lib/python3.12/site-packages/shop/")
    found = parsed(text)

    assert found.main is not None
    assert found.main.name == "create"


def test_one_frame_has_no_others() -> None:
    found = parsed("".join(HTTPX.splitlines(keepends=True)[:3]) + "OSError: x\n")

    assert (found.others, found.others_words) == ((), "")


def test_a_real_traceback_is_read() -> None:
    try:
        raise KeyError("x")
    except KeyError as error:
        found = parsed("".join(traceback.format_exception(error)))

    assert found.main is not None
    assert found.main.file == __file__
    assert found.main.source == ('raise KeyError("x")',)


def test_any_other_text_has_no_frame() -> None:
    for text in ("", "<the traceback cannot be formatted: ValueError>", "\n\n  File"):
        assert parsed(text).main is None


def test_a_line_of_thousands_of_digits_is_none() -> None:
    found = parsed(f'  File "/srv/shop/a.py", line {"9" * 5_000}, in f\n    y\n')

    assert found.main is None

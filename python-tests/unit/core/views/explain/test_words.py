"""Instants, lists, rules and errors are said in few plain words."""

from __future__ import annotations

from tables import each_row

from cloaca_core.definition import written_rules as rules
from cloaca_core.values.times.instants import SECOND
from cloaca_core.views.explain.words import instant, listed, place_of, rule_text, short, when

NOW = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""


def test_an_instant_is_said_to_the_second() -> None:
    assert instant(NOW + 999_999) == "2023-11-14T22:13:20Z"


def test_an_impossible_instant_is_said_as_the_last_one() -> None:
    assert instant(2**62) == "9999-12-31T23:59:59Z"
    assert instant(-5) == "1970-01-01T00:00:00Z"


@each_row(
    ("away", "expected"),
    [
        (1, "in 1 s"),  # it is not over yet
        (59 * SECOND + 1, "in 60 s"),
        (119 * SECOND, "in 119 s"),
        (120 * SECOND, "in 2 m"),
        (7199 * SECOND, "in 119 m"),
        (7200 * SECOND, "in 2 h"),
        (172_800 * SECOND, "in 2 days"),
        (0, "0 s ago"),
        (-1, "0 s ago"),
        (-61 * SECOND, "61 s ago"),
        (-172_800 * SECOND, "2 days ago"),
    ],
)
def test_how_far_an_instant_is_away(away: int, expected: str) -> None:
    assert when(NOW + away, NOW) == f"at {instant(NOW + away)}, {expected}"


@each_row(
    ("names", "expected"),
    [
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        ([str(number) for number in range(1, 2004)], "1, 2, 3 and 2,000 more"),
    ],
)
def test_of_many_names_some_are_said(names: list[str], expected: str) -> None:
    assert listed(names) == expected


def test_a_text_of_several_lines_becomes_one_of_200_characters() -> None:
    assert short("busy\n\n  now") == "busy now"
    assert short("x" * 200) == "x" * 200
    assert short("x" * 201) == f"{'x' * 199}…"


TRACE = """Traceback (most recent call last):
  File "/app/flows.py", line 12, in load
    fetch(url)
  File "/app/web.py", line 7, in fetch
    httpx.get(url)
  File "/venv/lib/python3.12/site-packages/httpx/_api.py", line 1, in get
    raise ConnectError
  File "/usr/lib/python3.12/json/decoder.py", line 5, in decode
    raise
  File "/src/cloaca-testing/src/cloaca_testing/executor.py", line 9, in call
    raise
ConnectError: refused
"""


def test_the_place_of_an_error_is_the_innermost_line_of_the_users_own() -> None:
    assert place_of(TRACE) == "fetch (/app/web.py, line 7)"


def test_windows_paths_are_known_as_well() -> None:
    trace = (
        '  File "C:\\app\\flows.py", line 2, in load\n'
        '  File "C:\\venv\\Lib\\site-packages\\x.py", line 1, in f\n'
    )
    assert place_of(trace) == "load (C:\\app\\flows.py, line 2)"


def test_where_all_lines_are_of_others_it_is_the_last() -> None:
    trace = '  File "/usr/lib/python3.12/json/decoder.py", line 5, in decode\n'
    assert place_of(trace) == "decode (/usr/lib/python3.12/json/decoder.py, line 5)"


@each_row("trace", [None, "", "OSError: no disk"])
def test_an_error_without_lines_has_no_place(trace: str | None) -> None:
    assert place_of(trace) is None


@each_row(
    ("written", "expected"),
    [
        (rules.always(), "always()"),
        (rules.task_success("a"), "task_success('a')"),
        (rules.task_failed("a"), "task_failed('a')"),
        (
            rules.any_of(rules.task_skipped("a"), rules.context_value("n", ">", 3)),
            "any_of(task_skipped('a'), context_value('n', 'GreaterThan', 3))",
        ),
        (rules.chosen("ok", "approve"), "chosen('ok', 'approve')"),
        (rules.none_of(rules.task_failed("a")), "none_of(task_failed('a'))"),
        (
            rules.all_of(rules.task_failed("a"), rules.task_success("b")),
            "all_of(task_failed('a'), task_success('b'))",
        ),
        (
            rules.all_of(rules.none_failed(), rules.any_of(rules.always())),
            "all_of(none_failed(), any_of(always()))",
        ),
    ],
)
def test_a_rule_is_said_as_it_is_written(written: rules.RuleDict, expected: str) -> None:
    assert rule_text(rules.parse_rule(written)) == expected

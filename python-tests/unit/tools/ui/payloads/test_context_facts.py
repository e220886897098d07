"""The context of a decision in a few lines."""

from __future__ import annotations

from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.payloads.redaction import Redaction
from cloaca_tools.ui.payloads.context_facts import Fact, Facts, facts_of


def test_keys_are_words_and_values_are_text() -> None:
    context: dict[str, JsonValue] = {
        "paid_in": 18_192.2,
        "order": "20 Nov",
        "lines": [1, {"a": None}],
        "api_token": "x",
    }

    assert facts_of(context, Redaction()) == Facts(
        (
            Fact("Paid in", "18192.2", False),
            Fact("Order", "20 Nov", False),
            Fact("Lines", '[1,{"a":null}]', True),
            Fact("Api token", "***", False),
        ),
        (),
        0,
    )


def test_the_newest_keys_are_shown_at_once_and_the_older_ones_can_be_unfolded() -> None:
    found = facts_of({f"k{n}": n for n in range(10)}, Redaction())

    assert [each.label for each in found.shown] == [f"K{n}" for n in range(2, 10)]
    assert [each.label for each in found.older] == ["K0", "K1"]
    assert found.hidden == 0


def test_of_very_many_keys_some_are_left_out() -> None:
    found = facts_of({f"k{n}": n for n in range(300)}, Redaction())

    assert (len(found.shown), len(found.older), found.hidden) == (8, 100, 192)


def test_a_long_text_to_decide_on_is_there_as_a_whole() -> None:
    letter = "Dear shop,\n" + "v" * 400
    (fact,) = facts_of({"letter": letter}, Redaction()).shown

    assert fact == Fact("Letter", letter[:300] + "…", False, letter)


def test_objects_and_lists_of_objects_are_rows() -> None:
    context: dict[str, JsonValue] = {"order": {"id": 7, "lines": [{"sku": 1, "api_token": "x"}]}}
    (order,) = facts_of(context, Redaction()).shown

    number, lines = order.parts
    assert (number.label, number.text, number.parts) == ("Id", "7", ())
    (first,) = lines.parts
    assert (lines.label, first.label) == ("Lines", "1")
    assert [each[:2] for each in first.parts] == [("Sku", "1"), ("Api token", "***")]


def test_what_is_long_or_deep_is_no_rows() -> None:
    deep: JsonValue = {"a": {"b": {"c": {"d": 1}}}}
    long: JsonValue = {f"k{n}": n for n in range(60)}
    shown = facts_of({"deep": deep, "long": long}, Redaction()).shown

    assert shown[0].parts[0].parts[0].parts == (Fact("C", '{"d":1}', True),)
    assert (shown[1].parts, shown[1].code) == ((), True)


def test_nothing_is_known_of_no_context() -> None:
    assert facts_of(None, Redaction()) == Facts((), (), 0)

"""The filter of an address as tokens."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.ui.forms.filter_line import HINTS, Token, filter_line
from cloaca_tools.views.lists.filters import Term


def test_each_term_is_a_token_that_knows_the_others() -> None:
    line = filter_line(['-status:completed tag."a b":x,y since:2h'])

    assert line.tokens == (
        Token("-status:", "Completed", 'tag."a b":x,y since:2h'),
        Token("tag.a b:", "x, y", "-status:Completed since:2h"),
        Token("since:", "2h", '-status:Completed tag."a b":x,y'),
    )
    assert (line.typed, line.error) == ("", "")


def test_an_act_and_who_asked_for_it_are_one_token_in_words() -> None:
    line = filter_line(["by:ann status:failed act:7 by:bob"])

    assert line.telling("7", "ann", "retry of 2 runs") == (
        Token("act:", "retry of 2 runs", "status:Failed by:bob"),
        Token("status:", "Failed", "by:ann act:7 by:bob"),
        Token("by:", "bob", "by:ann status:Failed act:7"),
    )


def test_what_is_typed_is_added_once() -> None:
    assert filter_line(["status:failed", "since:1h"]).text == "status:Failed since:1h"
    assert filter_line(["status:failed", " status:FAILED "]).text == "status:Failed"
    assert filter_line([" ", ""]).tokens == ()


def test_what_cannot_be_read_leaves_the_terms_that_stand() -> None:
    line = filter_line(["status:failed", "workflw:order"])

    assert (line.text, line.typed) == ("status:Failed", "workflw:order")
    assert "did you mean workflow?" in line.error


def test_a_whole_filter_that_cannot_be_read_is_as_it_was_typed() -> None:
    line = filter_line(["status:nope"])

    assert (line.text, line.typed) == ("", "status:nope")
    assert filter_line(["x:y", "z:u"]).text == ""


@each_row(
    ("text", "expected"),
    [
        ("", ""),
        ("workflow:order status:failed", "order"),
        ("-workflow:order", ""),
        ("workflow:order,mail", ""),
        ("workflow:order workflow:mail", ""),
    ],
)
def test_a_filter_may_be_about_one_workflow(text: str, expected: str) -> None:
    assert filter_line([text]).workflow() == expected


def test_a_tag_is_one_more_term() -> None:
    line = filter_line(["status:failed"])

    assert line.with_tag("a b", 'x"') == 'status:Failed tag."a b":"x\\""'
    assert filter_line(["tag.k:v"]).with_tag("k", "v") == "tag.k:v"


def test_a_choice_takes_the_place_of_the_one_before() -> None:
    line = filter_line(["status:failed,paused tag.shop:no tag.env:prod -status:waiting since:1h"])

    assert line.chosen("status") == ("Failed", "Paused")
    assert line.chosen("tag", "env") == ("prod",)
    assert line.with_only(Term("status", ("Running",))) == (
        "tag.shop:no tag.env:prod -status:Waiting since:1h status:Running"
    )
    assert line.with_only(Term("tag", ("se",), tag="shop"), keys=("since",)) == (
        "status:Failed,Paused tag.env:prod -status:Waiting tag.shop:se"
    )
    assert line.without("tag", "shop") == (
        "status:Failed,Paused tag.env:prod -status:Waiting since:1h"
    )


def test_the_command_line_takes_the_same_terms() -> None:
    assert filter_line(['tag.k:"a b" error:it\'s']).words == ['tag.k:"a b"', "error:it's"]


def test_every_hint_that_is_a_term_can_be_read() -> None:
    whole = [hint for hint in HINTS if not hint.endswith((":", "."))]

    assert len(filter_line([" ".join(whole)]).tokens) == len(whole)

"""Text becomes terms, and terms become the same text again."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import FilterError
from cloaca_tools.views.lists.filters import KEYS, MOST_TERMS, Filter, Term, listed, parse

STATUS = Term("status", ("Failed",))


@each_row(
    ("texts", "expected"),
    [
        ((), ()),
        (("",), ()),
        (("status:failed",), (STATUS,)),
        (("STATUS:FAILED",), (STATUS,)),
        (("-status:Failed,completed",), (Term("status", ("Failed", "Completed"), negated=True),)),
        # a single text holds several terms
        (
            ("status:failed  workflow:order",),
            (STATUS, Term("workflow", ("order",))),
        ),
        # of several texts each is one term, spaces included
        (("status:failed", "error:time out"), (STATUS, Term("error", ("time out",)))),
        (('error:"time out"',), (Term("error", ("time out",)),)),
        (('error:"a, \\"b\\"",c',), (Term("error", ('a, "b"', "c")),)),
        (("error:it's,ok",), (Term("error", ("it's", "ok")),)),
        (("tag.team:x",), (Term("tag", ("x",), tag="team"),)),
        (("-tag.Team:x,y",), (Term("tag", ("x", "y"), negated=True, tag="Team"),)),
        (('tag."a b":"c:d"',), (Term("tag", ("c:d",), tag="a b"),)),
        (("tag.a b:x", "status:failed"), (Term("tag", ("x",), tag="a b"), STATUS)),
        (("tag.a:",), "empty value"),
        (("workflow:acme::jobs::order",), (Term("workflow", ("acme::jobs::order",)),)),
        (("since:2026-03-29T02:30:00+01:00",), (Term("since", ("2026-03-29T02:30:00+01:00",)),)),
        (("since:1d12h",), (Term("since", ("1d12h",)),)),
        (("ended-since:1d",), (Term("ended-since", ("1d",)),)),
        (("until:2026-03-29",), (Term("until", ("2026-03-29",)),)),
        # a bare word is the beginning of an id
        (("01A2-b",), (Term("id", ("01a2-b",)),)),
        (("-01a2",), (Term("id", ("01a2",), negated=True),)),
        (("id:01A2,ff",), (Term("id", ("01a2", "ff")),)),
        (("by:ann@desk",), (Term("by", ("ann@desk",)),)),
        (("parent:@~1",), (Term("parent", ("@~1",)),)),
        (('error:""',), (Term("error", ("",)),)),
        # refused
        (("statsu:failed",), "did you mean status"),
        (("status:faild",), "did you mean Failed"),
        (("status",), "is no key with a value"),
        (("hello",), "is no key with a value"),
        (("status:",), "empty value"),
        (("status:failed,",), "empty value"),
        (("status:,failed",), "empty value"),
        (("-since:2h",), "one instant and no -"),
        (("-ended-since:2h",), "one instant and no -"),
        (("ended_since:2h",), "did you mean ended-since"),
        (("since:2h,3h",), "one instant and no -"),
        (("since:yesterday",), "such as 2h"),
        (("since:2026-03-29T02:30:00",), "with an offset"),
        (("tag:x",), "the key of a tag"),
        (("tag.:x",), "the key of a tag"),
        (("status.x:failed",), "only tag.KEY has"),
        (('error:"open',), "no JSON string"),
        (('error:"a"b',), "goes on after a quoted value"),
        (("status:failed", ""), "a term is empty"),
        (('error:"a" b', "status:failed"), "goes on after a quoted value"),
        (("error:\x00",), "cannot be a filter"),
        (('error:"\\u0000"',), "cannot be a value"),
    ],
)
def test_texts_are_terms(texts: tuple[str, ...], expected: tuple[Term, ...] | str) -> None:
    if isinstance(expected, str):
        with pytest.raises(FilterError, match=expected):
            parse(*texts)
    else:
        assert parse(*texts) == Filter(expected)


def test_the_error_has_the_text_and_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="keys are") as refused:
        parse("nothing:x")
    assert isinstance(refused.value, FilterError)
    assert refused.value.term == "nothing:x"


def test_other_types_are_refused() -> None:
    with pytest.raises(FilterError, match="must be a str, not int"):
        parse(3)  # type: ignore[arg-type]  # what a caller without types may give


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=9)
TERMS = st.one_of(
    st.builds(
        Term,
        st.sampled_from([key for key in KEYS if key in ("error", "task", "workflow", "by")]),
        st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    st.builds(
        Term,
        st.just("tag"),
        st.lists(TEXTS, min_size=1, max_size=2).map(tuple),
        st.booleans(),
        TEXTS,
    ),
    st.just(STATUS),
    st.just(Term("since", ("2026-03-29T02:30:00+01:00",))),
)


# How soon terms are made says how busy the machine is.
@given(terms=st.lists(TERMS, max_size=4).map(tuple))
def test_the_text_of_a_filter_is_read_as_that_filter(terms: tuple[Term, ...]) -> None:
    assert parse(str(Filter(terms))) == Filter(terms)


def test_a_colon_at_the_beginning_is_quoted() -> None:
    term = Term("tag", (":b",), tag=":a")
    assert parse(str(term)) == Filter((term,))


@given(text=st.text(max_size=30))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        found = parse(text)
    except FilterError:
        return
    assert parse(str(found)) == found


def test_a_text_has_so_many_terms_at_most() -> None:
    texts = [f"error:{number}" for number in range(MOST_TERMS + 1)]

    assert len(parse(" ".join(texts[1:])).terms) == MOST_TERMS
    with pytest.raises(FilterError, match="at most 100 terms"):
        parse(" ".join(texts))


@each_row(
    ("text", "expected"),
    [("", "parent:none"), ("status:Failed", "status:Failed"), ("parent:any", "parent:any")],
)
def test_a_list_without_a_term_is_of_the_runs_at_the_top(text: str, expected: str) -> None:
    assert str(listed(parse(text))) == expected

"""The texts that parameters become."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import StoreDataError
from cloaca_postgres.sessions.values import array_of, text_of


@each_row(
    ("value", "expected"),
    [
        (None, None),
        ("", b""),
        ("ü", "ü".encode()),
        (-(2**63), b"-9223372036854775808"),
        (["a", "b"], b'{"a","b"}'),
    ],
)
def test_a_parameter_is_a_text(value: object, expected: bytes | None) -> None:
    assert text_of(value) == expected


@each_row(
    ("values", "expected"),
    [
        ([], "{}"),
        (["a"], '{"a"}'),
        (["", "NULL", "a,b", "{}"], '{"","NULL","a,b","{}"}'),
        (['say "hi"', "back\\slash"], '{"say \\"hi\\"","back\\\\slash"}'),
        ([1, 2**63 - 1], "{1,9223372036854775807}"),
        ([None, None], "{NULL,NULL}"),
        (["a", None, 'b"'], '{"a",NULL,"b\\""}'),
        ([None, 3], "{NULL,3}"),
    ],
)
def test_a_list_is_an_array(values: list[object], expected: str) -> None:
    assert array_of(values) == expected.encode()


@each_row("bad", ["a\0b", "\ud800"])
@each_row("form", [lambda bad: bad, lambda bad: ["a", bad], lambda bad: [None, bad]])
def test_what_no_database_text_can_hold_is_refused_and_not_repeated(bad: str, form: object) -> None:
    assert callable(form)

    with pytest.raises(StoreDataError) as caught:
        text_of(form(bad))

    assert bad not in str(caught.value)

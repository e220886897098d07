"""Digests of JSON values."""

from __future__ import annotations

from cloaca_core.values.payloads.digests import are_equal, digest_of


def test_the_order_of_keys_does_not_count() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})
    assert are_equal('{"a":1,"b":{"c":2,"d":3}}', '{"b":{"d":3,"c":2},"a":1}')
    assert not are_equal('{"a":[1,2]}', '{"a":[2,1]}')


def test_it_is_the_same_in_every_version() -> None:
    """Databases hold it: with another one every step of a run would be called again."""
    assert digest_of({"a": 1}) == "2c6b113b8dd15ffbded9860b43eb0c6c"

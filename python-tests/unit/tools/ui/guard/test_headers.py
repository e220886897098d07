"""What a browser may do with an answer."""

from __future__ import annotations

from cloaca_tools.ui.guard.headers import policy


def test_scripts_count_only_with_the_nonce() -> None:
    rules = dict(each.strip().split(" ", 1) for each in policy("abc").split(";"))

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'nonce-abc'"
    assert rules["style-src"] == "'self'"
    assert rules["base-uri"] == "'none'"
    assert rules["form-action"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"

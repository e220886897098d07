"""The reference can be read without the site: each name has its signature in plain text."""

from __future__ import annotations

from pathlib import Path

from tables import each_row

from dev.docs import signatures


@each_row("page", signatures.pages())
def test_a_page_has_the_signatures_as_they_are(page: Path) -> None:
    """If not: python tasks.py docs.signatures."""
    text = page.read_text(encoding="utf-8")
    assert signatures.with_signatures(text) == text


def test_a_signature_stands_below_the_options_of_its_block_and_is_replaced() -> None:
    page = "::: cloaca.get_version\n    options:\n      show_labels: false\n\nNext.\n"
    written = (
        "::: cloaca.get_version\n    options:\n      show_labels: false\n\n"
        '```text title="cloaca.get_version"\nget_version() -> str\n```\n\nNext.\n'
    )
    assert signatures.with_signatures(page) == written
    assert signatures.with_signatures(written.replace("str", "int")) == written


def test_a_class_has_its_constructor_and_its_members() -> None:
    assert list(signatures.signature("cloaca.HelloClass")) == [
        "class HelloClass()",
        "    get_message() -> str",
    ]


def test_a_long_call_has_a_line_for_each_parameter() -> None:
    lines = list(signatures.signature("cloaca.approval"))
    assert lines[:3] == ["approval(", "    id: str,", "    prompt: str,"]
    assert "    *," in lines
    assert lines[-1] == ") -> Node"

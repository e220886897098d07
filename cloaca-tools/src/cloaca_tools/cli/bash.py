"""Completion in bash, where a word such as ``status:failed`` or ``sqlite://w.db`` holds a colon.

Bash takes the colon for the end of a word, and completes behind it. So the line itself is read, and
only the part that bash replaces is written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from click.shell_completion import (
    BashComplete,
    CompletionItem as Item,
    add_completion_class,
    split_arg_string as words_of,
)

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    _Item: TypeAlias = Item[Any]

_CLICK = "env COMP_WORDS="
_WITH_LINE = (
    'env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" COMP_WORDS='
)


class Bash(BashComplete):
    """Completes whole words. A script of another version of click gives no line, only its words."""

    source_template: ClassVar[str] = BashComplete.source_template.replace(_CLICK, _WITH_LINE)
    _kept: str = ""
    """The part of the word that is being typed which bash leaves as it is."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words of the line after the program, and the one that is being typed."""
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        words = words_of(line)[1:]
        word = words.pop() if words and not line[-1].isspace() else ""
        self._kept = kept(line, word, os.environ.get("COMP_WORDBREAKS", ""))
        return words, word

    def format_completion(self, item: _Item) -> str:
        """The line for an item: of its value only what bash puts in."""
        return f"{item.type},{item.value.removeprefix(self._kept)}"


def kept(line: str, word: str, breaks: str) -> str:
    """The part that bash keeps of the word at the end of the line: all up to the last break in it,
    unless the word is quoted.
    """
    if line.removesuffix(word).endswith(("'", '"')):
        return ""
    return word[: max([word.rfind(each) for each in breaks], default=-1) + 1]


def use() -> None:
    """Let click complete in bash by this class."""
    add_completion_class(Bash)

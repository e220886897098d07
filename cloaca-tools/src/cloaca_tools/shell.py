"""Command lines of ``cloaca`` that people copy into a shell. The page, the doctor and the command
line all make them here, so that no name which a program chose can run anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def command(words: Iterable[str], names: Iterable[str] = ()) -> str:
    """The line that runs ``cloaca`` with these arguments, each of which reaches it as it is.

    ``words`` are subcommands, options and their values; ``names`` are the positional arguments at
    the end. None of these counts as an option, even if it begins with a dash.
    """
    last = list(names)
    before = ["--"] if any(each.startswith("-") for each in last) else []
    return " ".join(["cloaca", *map(quoted, [*words, *before, *last])])


def quoted(text: str) -> str:
    """A text as one word of a shell.

    A terminal acts on control characters while they are pasted, even within quotes: Ctrl-C drops
    the opening quote, and what follows would run. So a text with such characters is written as
    ``$'…'``, which bash, zsh and ksh read.
    """
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    return letter if letter.isprintable() else "".join(f"\\{b:03o}" for b in letter.encode())

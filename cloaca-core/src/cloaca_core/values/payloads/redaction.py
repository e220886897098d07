"""Removes secrets from texts that are kept, logged or shown.

It knows texts, not keys: a value that is encoded in another way than below passes.
"""

from __future__ import annotations

import json
import re
from typing import Final, Protocol

from cloaca_core.values.text import storable_text

HIDDEN: Final = "***"
"""Stands in the place of a secret."""
LEAST: Final = 4
"""Characters of a secret, at least: shorter texts are part of ordinary words."""
LEAST_LINE: Final = 8
"""Characters of a line that is hidden by itself, at least, if its secret has several lines."""

_URL: Final = re.compile(r"(://[^\s/:@?#\"']*):(?!\d+[/?#])(?:(?!://)[^\s\"'])+(?=@)")
"""The part of a URL between its scheme and its host, with a password, which people write with any
``/`` and ``@`` in it: it goes to the last ``@``, unless it begins as a port and a path do. A scheme
is not looked for: a long text of letters and dots would be read from each of its words on.
"""


class Redact(Protocol):
    """Hides secrets in a text that a body has written, so that it may be kept. Any thread may call
    it.
    """

    def __call__(self, text: str) -> str: ...


class LineRedact(Redact, Protocol):
    """Called for each line of a log, so it checks first whether there is anything to hide."""

    @property
    def is_empty(self) -> bool:
        """Whether it knows no secret, so that every text stays as it is."""


class _Unchanged:
    """Hides nothing."""

    is_empty: bool = True

    def __call__(self, text: str) -> str:
        return text


unchanged: Final[LineRedact] = _Unchanged()


class Redaction:
    """Replaces the secrets that were added, also in the forms that JSON and ``repr`` write. Any
    thread may add and replace. Its repr does not show them.
    """

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self.is_empty: bool = True

    def add(self, *secrets: str) -> None:
        """Hide these from now on. The longest come first: one may contain another."""
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = tuple(sorted({*self._forms, *forms}, key=lambda form: (-len(form), form)))
        self.is_empty = not self._forms

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text


def _forms(secret: str) -> set[str]:
    """The forms in which texts have a secret. A traceback of several errors indents each line, so
    of a secret of several lines each long one is hidden by itself, too.
    """
    lines = {line.strip() for line in secret.splitlines()}
    parts = {secret, *(line for line in lines if len(line) >= LEAST_LINE)}
    written = {text for part in parts for text in _written(part)}
    return {text for text in written if len(text) >= LEAST}


def _written(text: str) -> set[str]:
    """The text as it is, as it is stored, in JSON and in a ``repr``."""
    escaped = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    return {text, storable_text(text), *escaped, repr(text)[1:-1], ascii(text)[1:-1]}


def without_passwords(text: str) -> str:
    """A text without the passwords of the URLs in it."""
    if "@" not in text or "://" not in text:
        return text
    return _URL.sub(rf"\1:{HIDDEN}", text)

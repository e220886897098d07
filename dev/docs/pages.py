"""Renders the version, and only that, in the install commands of handwritten pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dev import project
from dev.project import ROOT

# Commands that install our wheels. Other versions in a page, of other projects and older ones of
# ours, stay.
_INSTALLS = re.compile(r'(--find-links dist "cloaca[^"=\n]*==)([^"\n]+)(?=")')


def outdated() -> Iterator[tuple[Path, str]]:
    """Each page whose commands install another version than ``VERSION``, with its right text."""
    for path in _pages():
        text = path.read_text(encoding="utf-8")
        wanted = with_version(text, project.version())
        if wanted != text:
            yield path, wanted


def with_version(text: str, version: str) -> str:
    """The page with this version in each command that installs our wheels."""
    return _INSTALLS.sub(lambda found: f"{found[1]}{version}", text)


def _pages() -> Iterator[Path]:
    """README and the site."""
    yield from ROOT.glob("README.md")
    yield from sorted((ROOT / "docs").rglob("*.md"))

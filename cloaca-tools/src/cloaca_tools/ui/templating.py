"""The templates: every value is escaped, and a name that a page does not give is an error."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cloaca_tools.ui.runs.allowed_acts import allowed_acts
from cloaca_tools.ui.words import schedule_texts, texts

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"


@cache
def templates() -> Environment:
    """The environment of all pages. Templates are part of the wheel, so they are never reloaded."""
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters.update(texts.FILTERS)
    found.filters["allowed_acts"] = allowed_acts
    found.globals.update(
        states=texts.STATES, words=schedule_texts, pane=None, export=False, graph=None, scope=""
    )
    return found


@cache
def compiling() -> Thread:
    """Compile all templates on a thread of its own, once for the process: that takes 0.8 s of a
    core, which the first visits to each page would wait for.
    """
    thread = Thread(target=_compile_all, name="cloaca-templates", daemon=True)
    thread.start()
    return thread


def _compile_all() -> None:
    found = templates()
    for name in found.list_templates():
        found.get_template(name)


@cache
def assets() -> str:
    """A text that changes with the static files, so that browsers may keep them for ever."""
    digest = sha256()
    for path in sorted(STATIC.rglob("*.*")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]

"""The site: builds it strictly into ``site/``, and shows it while its pages are written.

Its sources are ``docs/`` and ``mkdocs.yml``. A built page loads nothing from another host, so that
the site can be read without a network, and from a disk.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from dev.console import TaskFailed, environment, run, say, step
from dev.project import ROOT

SITE = ROOT / "site"
_ZENSICAL = (sys.executable, "-m", "zensical")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TRACEBACK = "Traceback (most recent call last)"
# Elements whose address the browser loads by itself, without a click.
_LOADING = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}


def build() -> None:
    """Build the site; fails on a broken link, a name without docstring, a foreign address."""
    step("building the site")
    _build()
    say(f"it is in {SITE.relative_to(ROOT)}/: open {(SITE / 'index.html').relative_to(ROOT)}")


def check_links() -> None:
    """Build it for ``check``, without a message on success."""
    _build()


def serve(address: str) -> None:
    """Show the site at ``host:port`` and build it again whenever a page changes, until Ctrl-C."""
    run([*_ZENSICAL, "serve", "--dev-addr", address], cwd=ROOT)


def _build() -> None:
    shutil.rmtree(SITE, ignore_errors=True)
    done = subprocess.run(
        [*_ZENSICAL, "build", "--strict", "--clean"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TaskFailed(f"{readable(done.stdout)}\nthe site cannot be built")
    if foreign := sorted(set(_foreign(SITE))):
        raise TaskFailed("\n".join(["pages load from another host:", *foreign]))


def readable(output: str) -> str:
    """The tool's messages, without colours; its traceback only when there is nothing else."""
    plain = _COLOUR.sub("", output)
    found, _, trace = plain.partition(_TRACEBACK)
    said = found.removeprefix("Build started").strip()
    return said or f"{_TRACEBACK}{trace}".strip()


# -- foreign addresses -----------------------------------------------------------------------------


def _foreign(site: Path) -> Iterator[str]:
    """Each page that loads an address of another host, with that address."""
    for page in site.rglob("*.html"):
        for address in loaded_by(page.read_text(encoding="utf-8")):
            if re.match(r"(?:[a-z]+:)?//", address):
                yield f"  {page.relative_to(site)}: {address}"


def loaded_by(html: str) -> list[str]:
    """The addresses that a browser loads to show this page."""
    parser = _Loaded()
    parser.feed(html)
    return parser.addresses


class _Loaded(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(_LOADING.get(tag, ""))
        if address:
            self.addresses.append(address)

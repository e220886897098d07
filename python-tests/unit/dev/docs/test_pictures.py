"""The documentation's pictures: each that a page shows is there, small, and drawn by the task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from documents import pages, readmes
from tables import each_row

from dev.docs.drawing import FOLDER, PICTURES, Picture

KB = 1_000
_SHOWN = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
_PNG = b"\x89PNG"


def shown_by(page: Path) -> Iterator[Path]:
    """The pictures of this repository that a page shows."""
    for groups in _SHOWN.findall(page.read_text(encoding="utf-8")):
        name = "".join(groups)
        if "://" not in name and not name.startswith(("data:", "#")):
            yield page.parent / name.partition("#")[0]


@each_row("page", [*pages(), *readmes()])
def test_every_picture_that_a_page_shows_is_there(page: Path) -> None:
    assert [path for path in shown_by(page) if not path.is_file()] == []


def test_the_pictures_of_the_page_are_those_that_the_task_draws_and_some_page_shows() -> None:
    drawn = {picture.file for picture in PICTURES}
    shown = {path.resolve() for page in [*pages(), *readmes()] for path in shown_by(page)}

    assert {path.name for path in FOLDER.iterdir()} == drawn
    assert {path.name for path in shown if path.parent == FOLDER.resolve()} == drawn


@each_row("picture", PICTURES)
def test_a_picture_is_small(picture: Picture) -> None:
    drawn = (FOLDER / picture.file).read_bytes()

    assert drawn.startswith(_PNG)
    assert len(drawn) <= 150 * KB

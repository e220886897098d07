"""Building: what stands in ``dist/`` afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.packaging import artefacts as module
from dev.project import CORE, Distribution


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for ``dist/`` that is not the real one, beside builds that make empty files."""

    def build(distribution: Distribution, folder: Path, *_: str) -> None:
        folder.mkdir()
        for artefact in (distribution.wheel(folder), distribution.sdist(folder)):
            artefact.touch()

    dist = tmp_path / "dist"
    dist.mkdir()
    monkeypatch.setattr(module, "DIST", dist)
    monkeypatch.setattr(module, "_build", build)
    monkeypatch.setattr(module, "check_wheel", lambda _: None)
    monkeypatch.setattr(module, "check_same", lambda *_: None)
    return dist


def test_what_was_built_of_an_older_version_goes(dist: Path) -> None:
    """Else an installer that is pointed at the folder might take the older one."""
    others = ["cloaca-0.1.0.tar.gz", "cloaca_core_more-0.1.0-py3-none-any.whl"]
    for name in ("cloaca_core-0.1.0-py3-none-any.whl", "cloaca_core-0.1.0.tar.gz", *others):
        (dist / name).touch()

    module._build_checked(CORE)

    built = [CORE.wheel(dist).name, CORE.sdist(dist).name]
    assert sorted(each.name for each in dist.iterdir()) == sorted([*built, *others])

"""Builds and checks each distribution: an sdist, and the wheel made from that sdist.

Builds are reproducible and isolated; independent tools then check the artefacts. A distribution
whose sources did not change since its last good build is not built again.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from dev.console import TaskFailed, run, say, step
from dev.environments import installer
from dev.files import digest, tree_digest, write_atomically
from dev.packaging import rendering
from dev.project import DIST, EPOCH, LOCK, ROOT, Distribution, distributions_for

# The core, the largest, has 1,106 kB. A tenth beyond that has another cause, such as a file that
# slipped in.
LARGE_WHEEL = 1_200_000
PAGE = (".css", ".html", ".js", ".md", ".svg", ".txt")
"""What the web page has beside its code: templates, styles, scripts, their licences and notes."""


def package(backend: str | None = None) -> list[Path]:
    """Render, build and check the distributions; the wheels, whether built now or before."""
    rendering.generate(backend)
    wanted = distributions_for(backend)
    stale = [each for each in wanted if not _is_current(each)]
    step(f"building {len(stale)} of {len(wanted)} distributions into dist/")
    if stale:
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(_build_checked, stale))
        _check_metadata(stale)
        for each in stale:
            write_atomically(_stamp(each), _sources(each).encode())
    return [each.wheel() for each in wanted]


def _build_checked(distribution: Distribution) -> None:
    with tempfile.TemporaryDirectory(prefix="cloaca-build-") as name:
        folder = Path(name)
        _build(distribution, folder / "new")
        _build(distribution, folder / "tree", "--wheel")
        check_wheel(distribution.wheel(folder / "new"))
        warn_of_size(distribution.wheel(folder / "new"))
        check_same(distribution.wheel(folder / "new"), distribution.wheel(folder / "tree"))
        for old in DIST.glob(f"{distribution.package}-[0-9]*"):
            old.unlink()
        for artefact in sorted((folder / "new").iterdir()):
            write_atomically(DIST / artefact.name, artefact.read_bytes())
            say(f"  {artefact.name}  {artefact.stat().st_size / 1000:.0f} kB")


def _build(distribution: Distribution, folder: Path, *what: str) -> None:
    """Build in a separate environment; without ``what``, an sdist and from it the wheel."""
    # The builder's environments are inside our folder, which is removed even if it is killed.
    settings = {"SOURCE_DATE_EPOCH": epoch(), "TMPDIR": str(folder.parent)}

    def build(uv: Path | None) -> None:
        installer = "pip" if uv is None else "uv"
        command = [sys.executable, "-m", "build", "--installer", installer, *what]
        where = ["--outdir", str(folder), str(distribution.folder)]
        run([*command, *where], env=settings | _builders_settings(uv), quiet=True)

    installer.with_either(build)


def _builders_settings(uv: Path | None) -> dict[str, str]:
    """Variables that give the builder our index and the locked versions for its requirements."""
    if uv is None:
        return {"PIP_CONSTRAINT": str(LOCK)}
    path = os.pathsep.join([str(uv.parent), os.environ["PATH"]])
    return installer.uv_settings() | {"UV_CONSTRAINT": str(LOCK), "PATH": path}


# -- unchanged sources ---------------------------------------------------------------------------


def _is_current(distribution: Distribution) -> bool:
    artefacts = (distribution.wheel(), distribution.sdist(), _stamp(distribution))
    if not all(path.exists() for path in artefacts):
        return False
    return _stamp(distribution).read_text(encoding="utf-8") == _sources(distribution)


def _stamp(distribution: Distribution) -> Path:
    return DIST / f".{distribution.package}.sources"


def _sources(distribution: Distribution) -> str:
    """The digest of all files that a build reads, this module included."""
    how = digest(Path(__file__).read_bytes())
    return f"{tree_digest(ROOT, sources(distribution))} {how} {epoch()}\n"


def epoch() -> str:
    """The timestamp of all built files, in seconds since 1970."""
    return os.environ.get("SOURCE_DATE_EPOCH", EPOCH)


def sources(distribution: Distribution) -> Iterator[Path]:
    """The files that a distribution is built from."""
    for path in distribution.folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


# -- checking artefacts --------------------------------------------------------------------------


def _check_metadata(distributions: list[Distribution]) -> None:
    step("checking the artefacts: validate-pyproject, twine, check-wheel-contents")
    projects = [each.folder / "pyproject.toml" for each in distributions]
    run([sys.executable, "-m", "validate_pyproject", *projects], quiet=True)
    wheels = [each.wheel() for each in distributions]
    artefacts = [*wheels, *(each.sdist() for each in distributions)]
    run([sys.executable, "-m", "twine", "check", "--strict", *artefacts], quiet=True)
    run([sys.executable, "-m", "check_wheel_contents", "--no-config", *wheels], quiet=True)


def check_wheel(wheel: Path) -> None:
    """Refuse a wheel with missing or foreign files."""
    package_name, number, _ = wheel.name.split("-", 2)
    info = f"{package_name}-{number}.dist-info"
    names = set(contents(wheel))
    strays = [name for name in names if not _belongs(PurePosixPath(name), package_name, info)]
    if strays:
        raise TaskFailed(f"{wheel.name} holds {', '.join(sorted(strays))}")
    lacking = {f"{package_name}/py.typed", f"{info}/licenses/LICENSE"} - names
    if lacking:
        raise TaskFailed(f"{wheel.name} has no {', '.join(sorted(lacking))}")


def _belongs(path: PurePosixPath, package_name: str, info: str) -> bool:
    """True for source, SQL, files of the web page and metadata; False for files left by an editor
    or a person.
    """
    if any(part.startswith(".") for part in path.parts):
        return False
    if path.parts[0] == info:
        return True
    suffixes = {".py", ".sql", *(PAGE if path.is_relative_to(f"{package_name}/ui") else ())}
    known = path.suffix in suffixes or path.name == "py.typed"
    return known and path.parts[0] == package_name


def warn_of_size(wheel: Path) -> None:
    """Warn of an unusually large wheel, which is no error."""
    size = wheel.stat().st_size
    if size > LARGE_WHEEL:
        say(f"  warning: {wheel.name} has {size / 1000:.0f} kB, over {LARGE_WHEEL / 1000:.0f} kB")


def check_same(from_sdist: Path, from_tree: Path) -> None:
    """Refuse an sdist in which a file was lost or changed."""
    first, second = contents(from_sdist), contents(from_tree)
    if first != second:
        changed = {name for name in first.keys() | second if first.get(name) != second.get(name)}
        raise TaskFailed(
            f"{from_sdist.name}: the wheel made from the sdist differs from the one made from "
            f"the tree in {', '.join(sorted(changed))}"
        )


def contents(wheel: Path) -> dict[str, str]:
    """The names of a wheel's files, with their digests."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: digest(archive.read(name)) for name in archive.namelist()}

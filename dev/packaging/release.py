"""Rehearses a release: makes, checks and tries all artefacts, and keeps them here.

Nothing leaves this machine without ``--upload`` and a URL in ``CLOACA_RELEASE_URL``. There is no
default: on the public index our names belong to another project.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from dev.console import TaskFailed, run, say, step
from dev.environments.sandbox import Sandbox
from dev.files import digest, write_atomically
from dev.packaging.artefacts import epoch, package
from dev.packaging.smoke import smoke
from dev.project import ALL, DIST, DOOR, ROOT, Distribution, distributions_for, version

FOLDER = DIST / "release"
SUMS = "SHA256SUMS"
URL = "CLOACA_RELEASE_URL"
CREDENTIALS = ("TWINE_USERNAME", "TWINE_PASSWORD")
SBOM_TOOL = "cyclonedx-bom>=7.5,<8"


def release(
    backend: str | None = None, *, upload: bool = False, test: Callable[[], object] = lambda: None
) -> None:
    """Make all artefacts with checksums and an SBOM, and list obstacles to their publication.

    With ``upload`` an obstacle is an error, before anything is built; so is a failure of ``test``.
    """
    target = upload_target(os.environ) if upload else None
    open_points = obstacles(version(), _changelog(), uncommitted())
    if upload and open_points:
        raise TaskFailed("--upload is refused:\n" + _listed(open_points))
    if upload:
        test()
    package(backend)
    smoke(backend)
    wanted = distributions_for(backend)
    artefacts = _collected(wanted)
    _write_sbom(FOLDER / f"cloaca-{version()}.cdx.json", backend, wanted)
    write_atomically(FOLDER / SUMS, checksums(sorted(FOLDER.iterdir())).encode())
    _tell(open_points)
    if target is not None:
        _upload(artefacts, target)
    done = "nothing was uploaded" if target is None else "uploaded"
    say(f"release {version()} is in {FOLDER.relative_to(ROOT)}/; {done}")


# -- obstacles -----------------------------------------------------------------------------------


def upload_target(environ: Mapping[str, str]) -> str:
    """The URL to upload to; refused when the URL or a credential is missing."""
    missing = [name for name in (URL, *CREDENTIALS) if not environ.get(name, "").strip()]
    if missing:
        raise TaskFailed(
            f"--upload is not configured: set {', '.join(missing)}. {URL} is the upload URL of "
            "an index on which the names are yours; on the public one another project has them."
        )
    return environ[URL].strip()


def obstacles(released: str, changelog: str, changed: Sequence[str]) -> list[str]:
    """Reasons not to publish this version, in sentences."""
    found = []
    if changed:
        found.append(f"not committed: {', '.join(changed)}")
    if f"\n## [{released}]" not in changelog:
        found.append(f"CHANGELOG.md has no section [{released}]")
    return found


def uncommitted() -> list[str]:
    """The files that differ from the last commit."""
    command = ["git", "status", "--porcelain"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return ["all of it: this is no git checkout"]
    return [line[3:] for line in done.stdout.splitlines()]


def _changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"  {sentence}" for sentence in sentences)


# -- artefacts -----------------------------------------------------------------------------------


def _collected(distributions: Sequence[Distribution]) -> list[Path]:
    """Collect only this version's sdists and wheels in a new folder."""
    step(f"collecting the artefacts in {FOLDER.relative_to(ROOT)}/")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    built = [path for each in distributions for path in (each.sdist(DIST), each.wheel(DIST))]
    return [Path(shutil.copy2(path, FOLDER)) for path in built]


def checksums(paths: Sequence[Path]) -> str:
    """Checksums, a line per file, in the form that ``sha256sum --check`` reads."""
    return "".join(f"{digest(path.read_bytes())}  {path.name}\n" for path in paths)


def _write_sbom(path: Path, backend: str | None, distributions: Sequence[Distribution]) -> None:
    """Install the wheels from the folder and list the installed packages, as CycloneDX."""
    step("listing the packages of an installation (SBOM)")
    with tempfile.TemporaryDirectory(prefix="cloaca-sbom-") as name:
        tool = Sandbox(Path(name) / "tool").create()
        tool.install_third_party(SBOM_TOOL)
        box = Sandbox(Path(name) / "installed").create()
        third_party = [requirement for each in distributions for requirement in each.third_party]
        wheel = f"{DOOR.name}[{backend or ALL},testing]=={version()}"
        box.install(wheel, folder=FOLDER, third_party=third_party)
        how = ["environment", "--output-reproducible", "--mc-type", "library"]
        about: list[str | Path] = [
            "--pyproject",
            DOOR.folder / "pyproject.toml",
            "-o",
            path,
            box.python,
        ]
        command = [tool.python, "-m", "cyclonedx_py", *how, *about]
        run(command, env={"SOURCE_DATE_EPOCH": epoch()}, quiet=True)
    write_atomically(path, sbom(path.read_text(encoding="utf-8"), distributions).encode())


def sbom(text: str, distributions: Sequence[Distribution]) -> str:
    """Prepare the list for publication: complete, and correct for our own parts.

    Refuses a list that lacks a part of ours, or has a path of this machine.
    """
    listed = json.loads(text)
    ours = {(each.name, version()) for each in distributions}
    for each in (listed["metadata"]["component"], *listed["components"]):
        if (each["name"], each["version"]) in ours:
            ours.remove((each["name"], each["version"]))
            # A purl would name another project's package on the public index.
            each.pop("purl", None)
    if ours:
        missing = ", ".join(sorted(name for name, _ in ours))
        raise TaskFailed(f"the SBOM lacks {missing} of version {version()}")
    places = [place for place in (str(ROOT), tempfile.gettempdir(), "file://") if place in text]
    if places:
        raise TaskFailed(f"the SBOM names a place on this machine: {', '.join(places)}")
    return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"


def _tell(open_points: Sequence[str]) -> None:
    for path in sorted(FOLDER.iterdir()):
        say(f"  {path.name}  {path.stat().st_size:,} bytes")
    if open_points:
        say(f"before it is published:\n{_listed(open_points)}")


def _upload(artefacts: Sequence[Path], target: str) -> None:
    """Upload with twine, which reads the credentials from the environment and never asks."""
    step(f"uploading {len(artefacts)} files")
    twine = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
    run([*twine, "--repository-url", target, *artefacts])

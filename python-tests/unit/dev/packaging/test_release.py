"""A release: what it consists of, and that nothing is uploaded by accident.

The task as a whole builds and installs for half a minute; here is what it decides.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from tables import each_row

from dev.console import TaskFailed
from dev.packaging import release
from dev.packaging.release import CREDENTIALS, URL
from dev.project import CORE, DISTRIBUTIONS, DOOR, ROOT, distributions_for, version

CONFIGURED = {URL: "https://index.example/upload/"} | dict.fromkeys(CREDENTIALS, "given")


# -- may it be uploaded --------------------------------------------------------------------------


def test_an_upload_goes_where_it_was_told_to() -> None:
    assert release.upload_target(CONFIGURED) == "https://index.example/upload/"


@each_row("empty", ["", " ", None])
@each_row("name", sorted(CONFIGURED))
def test_an_upload_that_is_not_wholly_configured_is_refused_by_name(
    name: str, empty: str | None
) -> None:
    given = {key: text for key, text in CONFIGURED.items() if key != name}
    environ = given if empty is None else given | {name: empty}
    with pytest.raises(TaskFailed, match=rf"--upload is not configured: set {name}\. "):
        release.upload_target(environ)


def test_the_secret_is_never_in_the_refusal() -> None:
    with pytest.raises(TaskFailed) as caught:
        release.upload_target({"TWINE_PASSWORD": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that builds, tries or uploads something fails the test."""

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("this must not be reached")

    for name in ("package", "smoke", "run", "_upload"):
        monkeypatch.setattr(release, name, fail)


@pytest.mark.usefixtures("nothing_is_built")
def test_an_upload_without_a_place_to_go_is_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(URL, raising=False)
    with pytest.raises(TaskFailed, match="not configured"):
        release.release(upload=True)


@pytest.mark.usefixtures("nothing_is_built")
def test_an_upload_of_what_is_not_committed_is_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in CONFIGURED.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(release, "uncommitted", lambda: ["README.md"])
    with pytest.raises(TaskFailed, match=r"(?s)--upload is refused:.*not committed: README\.md"):
        release.release(upload=True)


@each_row(
    ("expected", "changelog", "changed"),
    [
        ([], "\n## [1.2.0] - 2030-01-01\n", []),
        (["CHANGELOG.md has no section [1.2.0]"], "\n## [Unreleased]\n", []),
        # A longer version begins with the same figures.
        (["CHANGELOG.md has no section [1.2.0]"], "\n## [1.2.0a1] - 2030-01-01\n", []),
        (["not committed: a, b"], "\n## [1.2.0]\n", ["a", "b"]),
    ],
)
def test_what_stands_against_publishing(
    expected: list[str], changelog: str, changed: list[str]
) -> None:
    assert release.obstacles("1.2.0", changelog, changed) == expected


# -- what it consists of -------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of built artefacts, among them one of another version."""
    names = [path.name for each in DISTRIBUTIONS for path in (each.wheel(), each.sdist())]
    for name in [*names, "cloaca-0.0.1-py3-none-any.whl", ".cloaca.sources"]:
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release, "DIST", tmp_path)
    monkeypatch.setattr(release, "FOLDER", tmp_path / "release")
    return tmp_path


def test_a_release_holds_this_versions_artefacts_and_nothing_that_lay_there(built: Path) -> None:
    (built / "release").mkdir()
    (built / "release" / "cloaca-0.0.1.tar.gz").touch()

    collected = release._collected(distributions_for("sqlite"))

    parts = ("cloaca", "cloaca_core", "cloaca_sqlite", "cloaca_tools", "cloaca_testing")
    expected = {f"{name}-{version()}" for name in parts}
    names = {path.name.removesuffix(".tar.gz") for path in (built / "release").iterdir()}
    assert {name.removesuffix("-py3-none-any.whl") for name in names} == expected
    assert sorted(collected) == sorted((built / "release").iterdir())
    assert len(collected) == 10


def test_checksums_are_what_sha256sum_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(b"wheel")
    expected = hashlib.sha256(b"wheel").hexdigest()
    assert release.checksums([path]) == f"{expected}  a.whl\n"


def component(name: str, **more: str) -> dict[str, str]:
    return {"name": name, "version": version(), "purl": f"pkg:pypi/{name}@{version()}", **more}


def a_list(*components: dict[str, str]) -> str:
    return json.dumps({"metadata": {"component": component("cloaca")}, "components": components})


OTHER = component("cronsim", version="2.8")


def test_our_own_parts_are_not_called_packages_of_the_public_index() -> None:
    told = json.loads(release.sbom(a_list(component("cloaca-core"), OTHER), [DOOR, CORE]))

    assert "purl" not in told["metadata"]["component"]
    assert told["components"] == [{"name": "cloaca-core", "version": version()}, OTHER]


@each_row("components", [(), (component("cloaca-core", version="0.1"),)])
def test_a_list_that_lacks_a_part_of_this_version_is_refused(
    components: tuple[dict[str, str], ...],
) -> None:
    with pytest.raises(TaskFailed, match=r"the SBOM lacks cloaca-core of version"):
        release.sbom(a_list(*components), [DOOR, CORE])


@each_row("place", [str(ROOT), "file:///home"])
def test_a_list_that_names_a_place_on_this_machine_is_refused(place: str) -> None:
    text = a_list(component("cloaca-core", description=f"made in {place}"))
    with pytest.raises(TaskFailed, match="names a place on this machine"):
        release.sbom(text, [DOOR, CORE])

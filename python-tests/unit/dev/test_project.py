"""The version in the form that installers compare, and what pins it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import each_row

from dev import project
from dev.console import TaskFailed


@each_row(
    ("expected", "written"),
    [
        ("1.0.0a1", "1.0.0-alpha.1"),
        ("1.0.0a1", "1.0.0-alpha.1\n"),
        ("1.0.0b2", "1.0.0-beta.2"),
        ("1.0.0rc1", "1.0.0-rc.1"),
        ("1.0.0.dev3", "1.0.0-dev3"),
        ("1.2.3", "v1.2.3"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_the_version_is_rendered_in_pep_440_form(expected: str, written: str) -> None:
    assert expected == project.normal_version(written)


# A local part is a valid version, but no index and no pin would take it.
@each_row("written", ["", "one", "1.0.0-alpha.1-2-g1234", "1.0.0+local"])
def test_what_cannot_be_released_is_refused_by_name(written: str) -> None:
    with pytest.raises(TaskFailed, match="VERSION holds"):
        project.normal_version(written)


def test_a_file_that_is_not_utf_8_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "ROOT", tmp_path)
    (tmp_path / "VERSION").write_bytes(b"1.0.0\xff")
    with pytest.raises(TaskFailed, match=r"VERSION is not UTF-8: .*0xff"):
        project.version()


def test_every_internal_requirement_is_an_exact_pin() -> None:
    pin = f"cloaca-core=={project.version()}"
    for distribution in set(project.DISTRIBUTIONS) - {project.CORE}:
        assert pin in project.requirements_of(distribution)
    assert project.extras()["all"] == [
        f"cloaca-sqlite=={project.version()}",
        f"cloaca-postgres=={project.version()}",
        f"cloaca-tools=={project.version()}",
    ]


def test_an_extra_with_a_backend_or_a_command_brings_the_tools() -> None:
    tools = f"cloaca-tools=={project.version()}"
    brings = {name for name, needed in project.extras().items() if tools in needed}

    assert brings == {"sqlite", "postgres", "all", "cli", "ui", "mcp"}
    assert project.extras()["testing"] == [f"cloaca-testing=={project.version()}"]


def test_the_engine_needs_no_package_of_the_command_line() -> None:
    assert [each for each in project.CORE.third_party if "sys_platform" not in each] == [
        "cronsim>=2.8,<2.9"
    ]


def test_all_backends_bring_no_engine_for_bodies() -> None:
    extras = project.extras()
    assert list(extras) == [
        *("sqlite", "postgres", "all", "cli", "ui", "mcp", "testing"),
        *("dask", "ray", "metrics", "otel"),
    ]
    assert not {*extras["dask"], *extras["ray"]} & set(extras["all"])


def test_the_lock_has_the_engines_that_the_usual_tests_need() -> None:
    text = (project.ROOT / "dev" / "requirements.txt").read_text(encoding="utf-8")
    needed = {each for name in ("dask", "loky", "stdlib") for each in project.BESIDE[name]}
    assert needed <= set(text.splitlines())


def test_what_is_for_a_backend_is_all_but_the_others() -> None:
    found = project.distributions_for("sqlite")

    assert set(project.DISTRIBUTIONS) - set(found) == {project.POSTGRES}


def test_an_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TaskFailed, match="'oracle' is none of: sqlite, postgres"):
        project.backend_named("oracle")

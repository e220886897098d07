"""The built wheels, looked at as an installer and a stranger would."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from dev.console import TaskFailed
from dev.packaging.artefacts import (
    LARGE_WHEEL,
    check_same,
    check_wheel,
    contents,
    warn_of_size,
)
from dev.project import (
    BUILDER,
    DISTRIBUTIONS,
    DOOR,
    EPOCH,
    LOCK,
    PYTHON_TESTED,
    ROOT,
    SQLITE,
    Distribution,
    extras,
    requirements_of,
    version,
)

every_distribution = pytest.mark.parametrize(
    "distribution", DISTRIBUTIONS, ids=lambda each: each.name
)


def metadata(distribution: Distribution) -> Message:
    name = f"{distribution.package}-{version()}.dist-info/METADATA"
    with zipfile.ZipFile(distribution.wheel()) as archive:
        return Parser().parsestr(archive.read(name).decode())


@every_distribution
def test_a_wheel_is_pure_typed_and_stays_in_its_package(distribution: Distribution) -> None:
    check_wheel(distribution.wheel())


def test_of_a_large_wheel_a_warning_is_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = _copy_with(
        SQLITE.wheel(), tmp_path, {"cloaca_sqlite/large.py": "x" * (LARGE_WHEEL + 1)}
    )
    assert wheel.stat().st_size > LARGE_WHEEL  # it was stored as it is
    check_wheel(wheel)
    warn_of_size(wheel)
    assert f"warning: {wheel.name} has 1" in capsys.readouterr().out


def test_the_test_kit_is_in_the_wheels() -> None:
    kit = {"cloaca/testing/__init__.py", "cloaca/testing/pytest_plugin.py"}
    assert kit <= contents(DOOR.wheel()).keys()


@every_distribution
def test_pytest_loads_nothing_of_a_wheel_by_itself(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel()) as archive:
        lists = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert not any(b"pytest11" in archive.read(name) for name in lists)


@every_distribution
def test_no_wheel_of_today_is_warned_of(
    distribution: Distribution, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_of_size(distribution.wheel())
    assert capsys.readouterr().out == ""


@every_distribution
def test_a_wheel_claims_the_systems_that_it_was_tested_on(distribution: Distribution) -> None:
    claimed = metadata(distribution).get_all("Classifier", [])
    systems = [each for each in claimed if each.startswith("Operating System")]
    assert systems == ["Operating System :: POSIX :: Linux"]


@every_distribution
def test_a_wheel_says_that_the_builder_of_the_lock_made_it(distribution: Distribution) -> None:
    """Another version of it gives other bytes for the same sources."""
    info = f"{distribution.package}-{version()}.dist-info"
    with zipfile.ZipFile(distribution.wheel()) as archive:
        made_by = Parser().parsestr(archive.read(f"{info}/WHEEL").decode())["Generator"]
    assert made_by == BUILDER.replace("==", " ")
    assert BUILDER in LOCK.read_text(encoding="utf-8").splitlines()


@every_distribution
def test_an_sdist_says_how_to_build_the_same_bytes_again(distribution: Distribution) -> None:
    name = f"{distribution.package}-{version()}/pyproject.toml"
    with tarfile.open(distribution.sdist()) as archive:
        file = archive.extractfile(name)
        assert file is not None
        text = file.read().decode()
    assert f"SOURCE_DATE_EPOCH={EPOCH}" in text
    assert tomllib.loads(text)["build-system"]["requires"] == [BUILDER]


def test_the_page_on_packaging_names_the_instant_of_the_bytes() -> None:
    page = ROOT / "docs" / "explanation" / "packaging.md"
    assert f"SOURCE_DATE_EPOCH={EPOCH} " in page.read_text(encoding="utf-8")


@every_distribution
def test_a_wheel_carries_its_licence(distribution: Distribution) -> None:
    info = f"{distribution.package}-{version()}.dist-info"
    assert f"{info}/licenses/LICENSE" in contents(distribution.wheel())
    assert metadata(distribution)["License-Expression"] == "Apache-2.0"


@every_distribution
def test_a_wheel_holds_every_source_and_data_file(distribution: Distribution) -> None:
    source = distribution.folder / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packaged = {name for name in contents(distribution.wheel()) if ".dist-info/" not in name}
    assert expected == packaged


@every_distribution
def test_a_wheel_states_what_it_requires(distribution: Distribution) -> None:
    found = metadata(distribution)
    plain = [each for each in found.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert {_spaceless(each) for each in requirements_of(distribution)} == {
        _spaceless(each) for each in plain
    }
    assert found["Version"] == version()
    assert found["Requires-Python"] == ">=3.11"


def test_the_door_has_the_extras_of_the_project() -> None:
    assert metadata(DOOR).get_all("Provides-Extra") == sorted(extras())


@every_distribution
def test_no_packaging_file_reaches_out_of_its_distribution(distribution: Distribution) -> None:
    assert "../" not in (distribution.folder / "pyproject.toml").read_text()


def test_building_leaves_the_tree_clean() -> None:
    for distribution in DISTRIBUTIONS:
        assert not (ROOT / distribution.name / "dist").exists()
        assert not (ROOT / distribution.name / "build").exists()


@pytest.mark.parametrize(
    ("told", "extra"),
    [
        ("holds", {"other_package/x.py": "x"}),
        ("holds", {"cloaca_sqlite/../x.py": "x"}),
        # A foreign package, even if its name begins with one of ours.
        ("holds", {"cloaca_sqlite_other/x.py": "x"}),
        # Files that editors, merges and people leave beside the sources.
        ("holds", {"cloaca_sqlite/.dialect.py.swp": "x"}),
        ("holds", {"cloaca_sqlite/dialect.py.orig": "x"}),
        ("holds", {"cloaca_sqlite/dialect.py~": "x"}),
        ("holds", {"cloaca_sqlite/.#dialect.py": "x"}),
        ("holds", {"cloaca_sqlite/.env": "PASSWORD=x"}),
        # Files of a web page, which another distribution has.
        ("holds", {"cloaca_sqlite/page.html": "x"}),
    ],
)
def test_a_wheel_with_something_wrong_in_it_is_refused(
    tmp_path: Path, told: str, extra: dict[str, str]
) -> None:
    wheel = _copy_with(SQLITE.wheel(), tmp_path, extra)
    with pytest.raises(TaskFailed, match=told):
        check_wheel(wheel)


@pytest.mark.parametrize("lacking", ["licenses/LICENSE", "py.typed"])
def test_a_wheel_without_what_each_has_is_refused(tmp_path: Path, lacking: str) -> None:
    fuller = zipfile.ZipFile(SQLITE.wheel())
    with fuller, zipfile.ZipFile(tmp_path / SQLITE.wheel().name, "w") as poorer:
        for name in fuller.namelist():
            if not name.endswith(lacking):
                poorer.writestr(name, fuller.read(name))
    with pytest.raises(TaskFailed, match=f"has no .*{lacking}$"):
        check_wheel(tmp_path / SQLITE.wheel().name)


@every_distribution
def test_an_sdist_holds_of_the_sources_what_the_wheel_does(distribution: Distribution) -> None:
    with tarfile.open(distribution.sdist()) as archive:
        names = [member.name.split("/", 1)[1] for member in archive if member.isfile()]
    sources = {name.removeprefix("src/") for name in names if name.startswith("src/")}
    assert sources == {name for name in contents(distribution.wheel()) if ".dist-info/" not in name}


def test_an_sdist_that_lost_a_file_is_noticed(tmp_path: Path) -> None:
    fuller = _copy_with(SQLITE.wheel(), tmp_path, {"cloaca_sqlite/lost.sql": "SELECT 1;"})
    with pytest.raises(TaskFailed, match=r"differs .* in cloaca_sqlite/lost\.sql"):
        check_same(SQLITE.wheel(), fuller)


def _copy_with(wheel: Path, folder: Path, extra: dict[str, str]) -> Path:
    copy = folder / wheel.name
    copy.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(copy, "a") as archive:
        for name, text in extra.items():
            archive.writestr(name, text)
    return copy


def _spaceless(text: str) -> str:
    """Builders order and space version specifiers as they like."""
    return "".join(sorted(text.replace(" ", "")))


@every_distribution
def test_its_readme_says_where_it_runs(distribution: Distribution) -> None:
    text = metadata(distribution).get_payload()
    assert isinstance(text, str)
    section = text.partition("\n## Where it runs\n")[2]
    assert [name for name in ("**Linux**", "**macOS**", "**Windows**") if name not in section] == []


def test_the_site_names_the_pythons_that_the_wheels_claim() -> None:
    page = (ROOT / "docs" / "reference" / "installed.md").read_text(encoding="utf-8")
    *others, last = PYTHON_TESTED
    assert f"on Python {', '.join(others)} and {last}" in page

"""Generated files: drift is found, hand edits are kept aside, nothing else is touched.

Except for the first, each test has a copy of the checkout that it may damage.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import signal
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from dev import project
from dev.console import readable_failures
from dev.docs import pages
from dev.packaging import awaiting, rendering
from dev.project import DISTRIBUTIONS, ROOT, version

VERSION_FILE = "cloaca-core/src/cloaca_core/_version.py"
RUFF = awaiting._ruff
_formatted: dict[tuple[str, ...], str] = {}


class Done(NamedTuple):
    """How a task ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Checkout:
    """A copy of what ``generate`` reads and writes: the templates, and each folder with a generated
    file.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        shutil.copytree(ROOT / "templates", root / "templates")
        folders = {path.parent for path in map(Path, rendering._remembered())}
        others = map(Path, ("VERSION", "LICENSE", "README.md", "ruff.toml", "docs/index.md"))
        for path in (*(each for folder in folders for each in _files_in(folder)), *others):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, root / path)
        for module in project, rendering, pages:
            monkeypatch.setattr(module, "ROOT", root)
        monkeypatch.setattr(rendering, "MANIFEST", root / "templates" / "rendered.sha256")
        monkeypatch.setattr(rendering, "BACKUPS", root / ".backups")
        monkeypatch.setattr(awaiting, "_ruff", self._ruff)

    def _ruff(self, *arguments: str, text: str) -> str:
        """What ruff makes of a text; it is asked once about the same one at the same place."""
        question = (*(each.removeprefix(str(self.root)) for each in arguments), text)
        if question not in _formatted:
            _formatted[question] = RUFF(*arguments, text=text)
        return _formatted[question]

    def generate(self, task: Callable[[], object] = rendering.generate) -> Done:
        """Call a function of ``dev.packaging.rendering`` as the task does."""
        said, failed = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(failed),
            pytest.MonkeyPatch.context() as monkeypatch,
        ):
            monkeypatch.setattr(signal, "signal", lambda *_: None)  # those of the tests stay
            try:
                with readable_failures():
                    task()
            except SystemExit as end:
                return Done(int(end.code or 0), said.getvalue(), failed.getvalue())
        return Done(0, said.getvalue(), failed.getvalue())

    def check(self) -> Done:
        """Compare all distributions, as the check does."""
        return self.generate(rendering.check)

    def file(self, name: str) -> Path:
        return self.root / name

    def state(self) -> dict[str, tuple[bytes, int]]:
        """Every file with its contents and the time it was written."""
        return {
            path.relative_to(self.root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }


def _files_in(folder: Path) -> list[Path]:
    return [each.relative_to(ROOT) for each in (ROOT / folder).iterdir() if each.is_file()]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return Checkout(tmp_path / "checkout", monkeypatch)


def test_the_committed_files_are_what_the_templates_say() -> None:
    assert rendering.drift() == []


def test_generating_again_writes_nothing(checkout: Checkout) -> None:
    before = checkout.state()
    assert checkout.generate().returncode == 0
    assert checkout.state() == before


def test_addresses_of_the_project_are_rendered_once_it_has_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = {"Source": "https://here.example/cloaca", "Release notes": "https://here.example/news"}
    monkeypatch.setattr(project, "URLS", urls)

    files = [each for each in rendering.render() if each.path.name == "pyproject.toml"]

    assert len(files) == len(DISTRIBUTIONS)
    for each in files:
        assert tomllib.loads(each.content.decode())["project"]["urls"] == urls


def test_check_lists_the_drift_and_writes_nothing(checkout: Checkout) -> None:
    checkout.file("cloaca/pyproject.toml").write_text("edited")
    checkout.file("cloaca-sqlite/LICENSE").unlink()
    before = checkout.state()
    done = checkout.check()
    assert done.returncode == 1
    assert "cloaca/pyproject.toml: differs from templates/dispatcher/" in done.stderr
    assert "cloaca-sqlite/LICENSE: missing" in done.stderr
    assert "2 generated file(s) drifted" in done.stderr
    assert checkout.state() == before


def test_a_hand_edit_is_backed_up_before_it_is_replaced(checkout: Checkout) -> None:
    path = checkout.file("cloaca/pyproject.toml")
    wanted = path.read_bytes()
    for number, text in enumerate(["first edit", "second edit"], start=1):
        path.write_text(text)
        done = checkout.generate()
        backup = f".backups/cloaca/pyproject.toml.{number}"
        assert f"your text is in {backup}" in done.stdout
        assert checkout.file(backup).read_text() == text
        assert path.read_bytes() == wanted


def test_a_file_that_is_only_out_of_date_is_replaced_without_a_backup(checkout: Checkout) -> None:
    checkout.file("VERSION").write_text("1.0.0-beta.7\n")
    assert checkout.generate().returncode == 0
    assert '__version__ = "1.0.0b7"' in checkout.file(VERSION_FILE).read_text()
    assert not checkout.file(".backups").exists()
    assert checkout.check().returncode == 0


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_a_page_that_installs_another_version_is_drift_that_generating_mends(
    checkout: Checkout, name: str
) -> None:
    """Its other text is a person's, so no copy is kept aside."""
    page = checkout.file(name)
    today = f'dist "cloaca[sqlite]=={version()}"'
    assert page.read_text().count(today) == 1
    checkout.file("VERSION").write_text("1.0.0-beta.7\n")
    assert f"{name}: installs another version than 1.0.0b7" in checkout.check().stderr
    before = page.read_text()
    done = checkout.generate()
    assert f"wrote {name}" in done.stdout
    assert page.read_text() == before.replace(today, 'dist "cloaca[sqlite]==1.0.0b7"')
    assert checkout.check().returncode == 0
    assert not checkout.file(".backups").exists()


def test_versions_of_others_and_older_ones_in_a_page_stay() -> None:
    text = 'cloaca==0.12.0, "httpx==1.0", pip install "cloaca[sqlite]==0.2.0"'
    assert pages.with_version(text, "2.0") == text


def test_one_backend_leaves_the_others_alone(checkout: Checkout) -> None:
    checkout.file("VERSION").write_text("1.0.0-beta.7\n")
    old = checkout.file("cloaca-postgres/pyproject.toml").read_bytes()
    assert checkout.generate(partial(rendering.generate, "sqlite")).returncode == 0
    assert checkout.file("cloaca-postgres/pyproject.toml").read_bytes() == old
    assert 'version = "1.0.0b7"' in checkout.file("cloaca-sqlite/pyproject.toml").read_text()
    assert checkout.generate(partial(rendering.check, "sqlite")).returncode == 0
    assert checkout.check().returncode == 1
    assert checkout.generate().returncode == 0
    assert not checkout.file(".backups").exists()


def test_a_file_whose_template_is_gone_is_removed(checkout: Checkout) -> None:
    checkout.file("templates/core/README.md.j2").unlink()
    assert "no template makes it any more" in checkout.check().stderr
    assert checkout.generate().returncode == 0
    assert not checkout.file("cloaca-core/README.md").exists()


@pytest.mark.parametrize("name", ["VERSION", "LICENSE", "cloaca/README.md"])
def test_a_file_that_cannot_be_read_is_named_without_a_traceback(
    checkout: Checkout, name: str
) -> None:
    checkout.file(name).unlink()
    checkout.file(name).mkdir()
    done = checkout.generate()
    assert done.returncode == 1
    assert done.stderr == f"failed: [Errno 21] Is a directory: '{checkout.file(name)}'\n"


@pytest.mark.parametrize("gone", ["templates/backend", "templates"])
@pytest.mark.parametrize(
    "task",
    [
        rendering.generate,
        rendering.check,
        partial(rendering.generate, "sqlite"),
        rendering.placeholders,
    ],
    ids=["generate", "check", "generate one", "placeholders"],
)
def test_a_kind_without_any_template_is_no_success(
    checkout: Checkout, gone: str, task: Callable[[], object]
) -> None:
    shutil.rmtree(checkout.file(gone))
    before = checkout.state()
    done = checkout.generate(task)
    assert done.returncode == 1
    assert re.search(r"failed: templates/\w+/ holds no template for cloaca", done.stderr)
    assert checkout.state() == before


MERGING = """<<<<<<< HEAD
{ours}=======
{theirs}>>>>>>> other (fix:  two spaces)
"""


def test_a_manifest_with_the_marks_of_a_merge_is_drift_that_generating_mends(
    checkout: Checkout,
) -> None:
    path = checkout.file("templates/rendered.sha256")
    whole = path.read_text()
    ours, *rest = whole.splitlines(keepends=True)
    marked = MERGING.format(ours=ours, theirs=ours.replace(ours[:64], "0" * 64))
    path.write_text(marked + "".join(rest))
    done = checkout.check()
    assert done.returncode == 1
    assert "rendered.sha256: does not list what the templates make" in done.stderr
    assert checkout.generate().returncode == 0
    assert path.read_text() == whole


def test_an_undefined_name_in_a_template_is_an_error_that_names_it(checkout: Checkout) -> None:
    checkout.file("templates/core/README.md.j2").write_text("{{ no_such_name }}")
    done = checkout.generate()
    assert done.returncode == 1
    assert "templates/core/README.md.j2 for cloaca-core: 'no_such_name' is undefined" in done.stderr
    assert "Traceback" not in done.stderr


def test_placeholders_name_their_template_and_give_way_without_a_backup(
    checkout: Checkout,
) -> None:
    before = checkout.file(VERSION_FILE).read_bytes()
    assert checkout.generate(rendering.placeholders).returncode == 0
    assert checkout.file(VERSION_FILE).read_text().startswith("# Generated from templates/core/")
    assert checkout.generate().returncode == 0
    assert checkout.file(VERSION_FILE).read_bytes() == before
    assert not checkout.file(".backups").exists()


def test_generated_files_say_so_at_their_head() -> None:
    for each in rendering.render():
        if each.path.name != "LICENSE":  # the licence is copied as it is
            head = each.content.decode().splitlines()[0]
            assert rendering.notice(each.template) in head

"""Generated files: drift is found, hand edits are kept aside, nothing else is touched.

Except for the first, each test has a copy of the checkout that it may damage.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dev import project
from dev.docs import pages
from dev.packaging import rendering
from dev.project import DISTRIBUTIONS, ROOT, version

VERSION_FILE = "cloaca-core/src/cloaca_core/_version.py"


class Checkout:
    """A copy of what ``generate`` reads and writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("dev", "templates", *(each.name for each in DISTRIBUTIONS)):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("VERSION", "LICENSE", "README.md", "ruff.toml"):
            shutil.copy(ROOT / name, root / name)
        (root / "docs").mkdir()
        shutil.copy(ROOT / "docs" / "index.md", root / "docs" / "index.md")

    def generate(self, call: str = "generate()") -> subprocess.CompletedProcess[str]:
        """Call a function of ``dev.packaging.rendering`` as the task does."""
        code = (
            "from dev.packaging import rendering\nfrom dev.console import readable_failures\n"
            f"with readable_failures():\n    rendering.{call}\n"
        )
        command = [sys.executable, "-B", "-c", code]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def file(self, name: str) -> Path:
        return self.root / name

    def state(self) -> dict[str, tuple[bytes, int]]:
        """Every file with its contents and the time it was written."""
        return {
            path.relative_to(self.root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


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
    done = checkout.generate("check()")
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
    assert checkout.generate("check()").returncode == 0


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_a_page_that_installs_another_version_is_drift_that_generating_mends(
    checkout: Checkout, name: str
) -> None:
    """Its other text is a person's, so no copy is kept aside."""
    page = checkout.file(name)
    today = f'dist "cloaca[sqlite]=={version()}"'
    assert page.read_text().count(today) == 1
    checkout.file("VERSION").write_text("1.0.0-beta.7\n")
    assert f"{name}: installs another version than 1.0.0b7" in checkout.generate("check()").stderr
    before = page.read_text()
    done = checkout.generate()
    assert f"wrote {name}" in done.stdout
    assert page.read_text() == before.replace(today, 'dist "cloaca[sqlite]==1.0.0b7"')
    assert checkout.generate("check()").returncode == 0
    assert not checkout.file(".backups").exists()


def test_versions_of_others_and_older_ones_in_a_page_stay() -> None:
    text = 'cloaca==0.12.0, "httpx==1.0", pip install "cloaca[sqlite]==0.2.0"'
    assert pages.with_version(text, "2.0") == text


def test_one_backend_leaves_the_others_alone(checkout: Checkout) -> None:
    checkout.file("VERSION").write_text("1.0.0-beta.7\n")
    old = checkout.file("cloaca-postgres/pyproject.toml").read_bytes()
    assert checkout.generate("generate('sqlite')").returncode == 0
    assert checkout.file("cloaca-postgres/pyproject.toml").read_bytes() == old
    assert 'version = "1.0.0b7"' in checkout.file("cloaca-sqlite/pyproject.toml").read_text()
    assert checkout.generate("check('sqlite')").returncode == 0
    assert checkout.generate("check()").returncode == 1
    assert checkout.generate().returncode == 0
    assert not checkout.file(".backups").exists()


def test_a_file_whose_template_is_gone_is_removed(checkout: Checkout) -> None:
    checkout.file("templates/core/README.md.j2").unlink()
    assert "no template makes it any more" in checkout.generate("check()").stderr
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
@pytest.mark.parametrize("call", ["generate()", "check()", "generate('sqlite')", "placeholders()"])
def test_a_kind_without_any_template_is_no_success(
    checkout: Checkout, gone: str, call: str
) -> None:
    shutil.rmtree(checkout.file(gone))
    before = checkout.state()
    done = checkout.generate(call)
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
    done = checkout.generate("check()")
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
    assert checkout.generate("placeholders()").returncode == 0
    assert checkout.file(VERSION_FILE).read_text().startswith("# Generated from templates/core/")
    assert checkout.generate().returncode == 0
    assert checkout.file(VERSION_FILE).read_bytes() == before
    assert not checkout.file(".backups").exists()


def test_generated_files_say_so_at_their_head() -> None:
    for each in rendering.render():
        if each.path.name != "LICENSE":  # the licence is copied as it is
            head = each.content.decode().splitlines()[0]
            assert rendering.notice(each.template) in head

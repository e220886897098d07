"""One place makes environments: with uv as pip is configured, and with pip where uv cannot."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import pytest
from tables import each_row

from dev.console import TaskFailed, environment, run
from dev.environments import installer
from dev.environments.installer import read_options, translated
from dev.environments.sandbox import Sandbox
from dev.packaging.foreign_wheel import ForeignWheel
from dev.project import ROOT

WHEEL = ForeignWheel("stone-soup", {"stone_soup.py": "INGREDIENTS = 1\n"}, version="1.0")


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the person's shell, and nothing that an earlier test made known."""
    monkeypatch.setenv(installer.VARIABLE, "")
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_", "SSL_"))]:
        monkeypatch.delenv(name)
    forget = installer.pip_options.cache_clear  # a test may put something else in its place
    forget()
    yield
    forget()


with_pip = pytest.mark.skipif(find_spec("pip") is None, reason="this Python has no pip")


@pytest.fixture
def uv() -> Path:
    found = installer.find_uv()
    if found is None:
        pytest.skip("no uv can be had here")
    return found


# -- what uv is told -----------------------------------------------------------------------------


def test_the_commands_options_count_more_than_the_files_and_variables_more_than_both() -> None:
    lines = [
        ":env:.index-url='http://variable/simple'",
        "global.cert='/etc/ca.pem'",
        "global.index-url='http://global/simple'",
        "global.timeout='60'",
        "install.index-url='http://install/simple'",
        "install.cert='/etc/install.pem'",
        "download.index-url='http://another-command/simple'",
        "WARNING: something else",
    ]
    assert read_options(lines) == {
        "index-url": "http://variable/simple",
        "cert": "/etc/install.pem",
        "timeout": "60",
    }


def test_uv_is_told_what_pip_was_told() -> None:
    told = {
        "index-url": "https://me:secret@mirror/simple",
        "extra-index-url": "\nhttps://one/simple\nhttps://two/simple",
        "trusted-host": "mirror one",
        "find-links": "/wheels /more",
        "cert": "/etc/ca.pem",
        "client-cert": "/home/me.pem",
        "proxy": "http://proxy:3128",
        "timeout": "60",
    }
    assert translated(told) == {
        "UV_DEFAULT_INDEX": "https://me:secret@mirror/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        # pip looks for a version in all of them
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "mirror one",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "SSL_CLIENT_CERT": "/home/me.pem",
        "ALL_PROXY": "http://proxy:3128",
    }


def test_without_a_word_to_pip_uv_is_told_of_the_systems_certificates_and_to_hurry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installer, "pip_options", lambda python: {})
    assert installer.uv_settings() == {
        "UV_SYSTEM_CERTS": "1",
        "UV_HTTP_CONNECT_TIMEOUT": "5",
        "UV_HTTP_TIMEOUT": "15",
        "UV_HTTP_RETRIES": "1",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_the_person_told_uv_counts_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "https://mine/simple")
    monkeypatch.setattr(
        installer, "pip_options", lambda python: {"index-url": "https://pips/simple"}
    )
    assert "UV_DEFAULT_INDEX" not in installer.uv_settings()


@pytest.mark.parametrize(("expected", "said"), [(["--no-index"], "true"), ([], "false"), ([], "")])
def test_an_index_that_pip_is_not_to_ask_uv_does_not_ask_either(
    monkeypatch: pytest.MonkeyPatch, expected: list[str], said: str
) -> None:
    monkeypatch.setattr(installer, "pip_options", lambda python: {"no-index": said})
    assert installer._uv_options(installer.HERE) == expected


def test_a_python_without_pip_has_no_options(tmp_path: Path) -> None:
    bare = Sandbox(tmp_path / "bare").create()
    assert installer.pip_options(bare.python) == {}


@each_row(
    ("expected", "text"),
    [
        ("no http://****@mirror/simple/x", "no http://me:secret@mirror/simple/x"),
        ("no https://****@mirror", "no https://token@mirror"),
        ("see https://docs/x@1", "see https://docs/x@1"),
    ],
)
def test_no_password_is_shown(expected: str, text: str) -> None:
    assert installer.masked(text) == expected


# -- uv, or pip ----------------------------------------------------------------------------------


@pytest.fixture
def broken_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv that starts and fails."""
    program = tmp_path / "broken" / "uv"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no http://me:secret@mirror/simple'; exit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(installer, "find_uv", lambda near=None: _unless_given_up(program))
    return program


def _unless_given_up(program: Path) -> Path | None:
    return None if os.environ[installer.VARIABLE] == "pip" else program


@with_pip
def test_where_uv_fails_pip_does_all_of_it(
    broken_uv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    WHEEL.write(tmp_path / "wheels")

    box = Sandbox(tmp_path / "box").create()
    box.install("stone-soup", folder=tmp_path / "wheels")
    assert box.run("import stone_soup").returncode == 0
    box.remove("stone-soup")
    assert box.run("import stone_soup").returncode == 1

    said = capsys.readouterr().out
    assert said.count("uv could not do it; pip did, and does so from here on") == 1
    assert "secret" not in said


def test_a_uv_that_does_not_start_is_as_one_that_fails(broken_uv: Path, tmp_path: Path) -> None:
    broken_uv.write_text("#!/nowhere/sh\n")
    assert Sandbox(tmp_path / "box").create().run("").returncode == 0


def test_where_both_fail_it_is_not_uvs_fault_and_both_are_told(
    broken_uv: Path, tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    box = Sandbox(tmp_path / "box")
    run([sys.executable, "-m", "venv", "--without-pip", box.folder])
    with pytest.raises(TaskFailed, match=r"(?s)\*\*\*\*@mirror.*pip did not either.*stone-soup"):
        box.install("stone-soup", folder=tmp_path / "wheels")
    assert installer.find_uv() == broken_uv


def test_who_says_pip_gets_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uv").touch(mode=0o755)
    assert installer.find_uv(tmp_path / "python") == tmp_path / "uv"
    monkeypatch.setenv(installer.VARIABLE, "pip")
    assert installer.find_uv(tmp_path / "python") is None


def test_an_environment_without_a_uv_of_its_own_takes_that_of_the_tools(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installer, "ROOT", tmp_path)
    assert installer.find_uv(tmp_path / "python") is None
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "uv").touch(mode=0o755)
    assert installer.find_uv(tmp_path / "python") == tmp_path / ".venv" / "bin" / "uv"


# -- an index that only pip.conf names -----------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The address of a package index on this machine that holds one wheel."""
    wheel = WHEEL.write(tmp_path / "served" / "simple" / "stone-soup")
    page = f'<!DOCTYPE html><a href="{wheel.name}">{wheel.name}</a>'
    (wheel.parent / "index.html").write_text(page)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://me:secret@127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def _handler(folder: Path) -> type[http.server.BaseHTTPRequestHandler]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder / "served"))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  as it is named there
            pass

    return Quiet


def install_with_only(home: Path, *variables: str) -> subprocess.CompletedProcess[str]:
    """Install the wheel from a program that knows HOME, PATH and these variables alone."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "dev.environments.installer",
            "--target",
            str(home / "there"),
            "stone-soup",
        ],
        cwd=ROOT,
        env={
            "HOME": str(home),
            "PATH": "/usr/bin:/bin",
            # Connections to other machines fail.
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            **dict(each.split("=", 1) for each in variables),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path, index: str) -> Path:
    """A home whose pip.conf names the index."""
    settings = tmp_path / "home" / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[global]\nindex-url = {index}\n")
    return tmp_path / "home"


@with_pip
def test_uv_finds_what_only_pips_settings_name(home: Path, uv: Path) -> None:
    done = install_with_only(home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (home / "there" / "stone_soup.py").exists()


@with_pip
def test_pip_does_it_where_uv_is_sent_elsewhere(home: Path, uv: Path) -> None:
    done = install_with_only(home, "UV_DEFAULT_INDEX=http://me:secret@127.0.0.1:9/simple")
    assert done.returncode == 0
    assert "uv could not do it; pip did" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert (home / "there" / "stone_soup.py").exists()


@with_pip
def test_pip_alone_does_it_too(home: Path) -> None:
    done = install_with_only(home, "CLOACA_INSTALLER=pip")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (home / "there" / "stone_soup.py").exists()


def test_what_runs_before_anything_is_installed_needs_nothing_else() -> None:
    """An isolated Python without site-packages can import it."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import dev.environments.bootstrap"
    command = [sys.executable, "-I", "-S", "-c", code, str(ROOT)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_tox_installs_as_everything_else_does_and_downloads_no_interpreter() -> None:
    """A plug-in that gives all of it to uv would fail where only pip can, and fetch a Python."""
    settings = ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini", encoding="utf-8")
    assert settings["testenv"]["install_command"].startswith(
        "python -m dev.environments.installer "
    )
    assert settings["tox"]["requires"].split() == ["tox>=4.30"]

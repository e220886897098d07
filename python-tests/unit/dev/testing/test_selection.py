"""``conftest.py`` decides which tests a run of pytest takes, and how it ends if one hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.console import environment
from dev.project import ROOT, TESTS

COMMON = "def test_common(): pass\n"
MARKED = """
import pytest

@pytest.mark.backend("{backend}", reason="{reason}")
def test_own(): pass
"""


def collected(folder: Path, backend: str) -> str:
    """The tests that pytest would run, as it lists them."""
    done = pytest_in(folder, "--collect-only", CLOACA_TEST_BACKEND=backend)
    return done.stdout + done.stderr


def pytest_in(
    folder: Path, *options: str, before: Callable[[], object] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A run with our ``conftest.py`` and settings."""
    without = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", "-q", *without, *options]
    places = ["--rootdir", str(ROOT), "--config-file", str(ROOT / "pytest.ini")]
    return subprocess.run(
        [*command, *places, "-p", "conftest", str(folder)],
        cwd=TESTS,
        env=environment({"PYTHONPATH": _path(), **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,  # a few seconds are enough; what is tested may hang
        preexec_fn=before,
    )


def _path() -> str:
    return ":".join([str(ROOT), str(TESTS), *filter(None, sys.path)])


@pytest.mark.parametrize(
    ("expected", "backend"),
    [("2 tests collected", "postgres"), ("1/2 tests collected (1 deselected)", "sqlite")],
)
def test_a_marked_test_is_deselected_on_the_other_backend(
    tmp_path: Path, expected: str, backend: str
) -> None:
    text = COMMON + MARKED.format(backend="postgres", reason="a server")
    (tmp_path / "test_some.py").write_text(text)
    assert expected in collected(tmp_path, backend)


def test_a_mark_for_a_backend_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(MARKED.format(backend="oracle", reason="a pond"))
    assert "backend('oracle', reason='a pond'): none of" in collected(tmp_path, "sqlite")


@pytest.mark.parametrize(
    ("own", "others"),
    [
        ("process/test_postgres_url.py", "process/test_sqlite_url.py"),
        ("conformance/test_postgres.py", "conformance/test_sqlite.py"),
        ("unit/postgres/test_url.py", "unit/sqlite/test_url.py"),  # folders are named after them
    ],
)
def test_a_file_named_after_the_other_backend_is_not_even_imported(
    tmp_path: Path, own: str, others: str
) -> None:
    for name, text in (own, COMMON), (others, "import what_is_not_installed_there\n"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shown = collected(tmp_path / own.partition("/")[0], "postgres")
    assert "1 test collected" in shown
    assert "what_is_not_installed_there" not in shown


# -- how it ends ---------------------------------------------------------------------------------

IN_ITS_LOOP = """
async def go_on_whatever_happens():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

@pytest.mark.timeout(2)
async def test_stubborn():
    task = asyncio.ensure_future(go_on_whatever_happens())
    await asyncio.Event().wait()
"""
IN_A_FIXTURE = """
@pytest.fixture
def never_done():
    yield
    threading.Event().wait()

@pytest.mark.timeout(2)
def test_stubborn(never_done):
    threading.Event().wait()
"""


@pytest.mark.parametrize("program", [IN_ITS_LOOP, IN_A_FIXTURE])
def test_a_test_that_outlives_its_time_limit_ends_the_run_and_is_named(
    tmp_path: Path, program: str
) -> None:
    """Code that waits for the interrupted test to end has no time limit of its own."""
    imports = "import asyncio, contextlib, pytest, threading\ndef test_before(): pass\n"
    (tmp_path / "test_some.py").write_text(imports + program)
    note = tmp_path / "running"

    done = pytest_in(tmp_path, CLOACA_TEST_RUNNING=str(note))

    assert done.returncode == 1
    assert note.read_text().endswith("::test_stubborn")
    assert "Timeout (0:00:0" in done.stderr
    assert "most recent call first" in done.stderr


def test_what_a_test_starts_does_not_write_down_which_test_is_running(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import os\ndef test_some(): assert 'CLOACA_TEST_RUNNING' not in os.environ\n"
    )
    note = tmp_path / "running"
    assert pytest_in(tmp_path, CLOACA_TEST_RUNNING=str(note)).returncode == 0
    assert note.read_text().endswith("::test_some")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no nohup")
def test_signals_that_nohup_and_a_shell_had_ignored_end_what_a_test_starts(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import signal\n"
        "def test_some():\n"
        "    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL\n"
        "    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    done = pytest_in(tmp_path, before=_ignore)
    assert done.returncode == 0, done.stdout


def _ignore() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

"""01: the wheels are installed, and the door opens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cloaca

pytestmark = pytest.mark.each_backend


def test_it_is_the_installed_wheel_and_not_the_source_tree() -> None:
    assert Path(cloaca.__file__).is_relative_to(sys.prefix)


def test_every_part_states_one_version() -> None:
    assert cloaca.get_version() == cloaca.__version__
    assert {each.version for each in cloaca.available_backends()} == {cloaca.__version__}


def test_the_greetings_of_earlier_versions() -> None:
    assert cloaca.hello_world() == "Hello from Cloaca backend!"
    assert cloaca.HelloClass().get_message() == "Hello from HelloClass!"
    assert repr(cloaca.HelloClass()) == "HelloClass(message='Hello from HelloClass!')"


def test_every_name_that_the_door_lists_is_there() -> None:
    assert [name for name in cloaca.__all__ if not hasattr(cloaca, name)] == []


def test_importing_starts_no_thread_and_no_database_driver() -> None:
    code = (
        "import sys, threading, cloaca\n"
        "print(threading.active_count(), [m for m in ('sqlite3', 'aiosqlite', 'psycopg')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1 []"

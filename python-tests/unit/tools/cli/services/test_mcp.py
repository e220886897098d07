"""``cloaca mcp``, up to where it serves."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cloaca
from cloaca_tools.cli.root import cli
from cloaca_tools.mcp.database import Database

SHOP = """
import cloaca

print("of the application")
registry = cloaca.Registry()

with cloaca.WorkflowBuilder("order", registry=registry):

    @cloaca.task
    def charge(context):
        return {}
"""


class Served:
    """What the command serves, in place of the server."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def __call__(self, database: Database, *, steers: bool) -> None:
        self.found = {
            "steers": steers,
            "read_only": read_only(database),
            "workflows": [each.workflow_name for each in database.observer.workflows().wait()],
            "ctrl_c": signal.getsignal(signal.SIGINT),
        }


def read_only(database: Database) -> bool:
    """Whether the database was opened so."""
    try:
        database.client.prune()
    except cloaca.StoreReadOnlyError:
        return True
    return False


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    server = Served()
    monkeypatch.setattr("cloaca_tools.mcp.server.serve", server)
    return server


def called(database_url: str, *arguments: str) -> Result:
    with cloaca.Client(database_url, registry=cloaca.Registry()):
        pass  # it has its tables now
    return CliRunner().invoke(cli, ["mcp", "--database-url", database_url, *arguments])


def test_it_looks_and_opens_the_database_read_only(database_url: str, served: Served) -> None:
    done = called(database_url)

    assert (done.exit_code, done.output) == (0, "")
    assert (served.found["steers"], served.found["read_only"]) == (False, True)


def test_it_steers_when_that_is_allowed(database_url: str, served: Served) -> None:
    assert called(database_url, "--allow-steering").exit_code == 0
    assert (served.found["steers"], served.found["read_only"]) == (True, False)


def test_what_an_application_prints_is_kept_off_the_protocol(
    database_url: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_of_mcp.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    done = called(database_url, "-A", "shop_of_mcp:registry")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "of the application\n")
    assert served.found["workflows"] == ["order"]


def test_ctrl_c_ends_the_server_at_once(database_url: str, served: Served) -> None:
    before = signal.getsignal(signal.SIGINT)

    called(database_url)

    assert served.found["ctrl_c"] is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before


def test_a_database_that_is_not_there_is_told_before_it_serves(
    tmp_path: Path, served: Served
) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"

    done = CliRunner().invoke(cli, ["mcp", "--database-url", url])

    assert (done.exit_code, done.stdout, served.found) == (4, "", {})
    assert not (tmp_path / "none.db").exists()


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cloaca_tools.mcp.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)

    done = CliRunner().invoke(cli, ["mcp", "--database-url", "sqlite:///none.db"])

    assert done.exit_code == 1
    command = f'pip install "cloaca[mcp]=={cloaca.__version__}"'
    assert done.stderr == f"Error: cloaca mcp needs the package mcp: {command}\n"

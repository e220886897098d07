"""A file per tenant: made, listed and removed, never while a runner has it open."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import each_row

import cloaca
from cloaca_core.client.sqlite_tenants import SqliteTenants
from cloaca_core.errors import BackendForcedError, ConfigTypeError, TenantError, TenantNameError

pytestmark = pytest.mark.backend("sqlite", reason="these tenants are files")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "odd? %41 name"


@pytest.fixture
def tenants(folder: Path) -> SqliteTenants:
    return SqliteTenants(folder)


def test_a_tenant_is_opened_by_what_create_returns(tenants: SqliteTenants) -> None:
    with cloaca.DefaultRunner(tenants.create("acme")) as runner:
        assert runner.list_runs() == []


def test_creating_again_keeps_what_is_there(tenants: SqliteTenants) -> None:
    with cloaca.WorkflowBuilder("tenant_work"):
        cloaca.task(id="t")(lambda context: None)
    with cloaca.DefaultRunner(tenants.create("acme")) as runner:
        runner.execute("tenant_work")

    with cloaca.DefaultRunner(tenants.create("acme")) as runner:
        assert len(runner.list_runs()) == 1


def test_where_no_backend_may_open_it_nothing_is_made(
    tenants: SqliteTenants, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOACA_BACKEND", "postgres")
    with pytest.raises(BackendForcedError):
        tenants.create("acme")
    assert not folder.exists()


def test_tenants_are_listed_in_order_and_nothing_else_is(
    tenants: SqliteTenants, folder: Path
) -> None:
    assert tenants.list() == []

    tenants.create("zoo")
    tenants.create("acme")
    (folder / "notes.txt").touch()
    (folder / "not-a-name.db").touch()
    assert tenants.list() == ["acme", "zoo"]


def test_a_removed_tenant_leaves_no_file(tenants: SqliteTenants, folder: Path) -> None:
    tenants.create("acme")

    tenants.remove("acme")

    assert list(folder.iterdir()) == []


def test_removing_what_is_not_there_is_no_error(tenants: SqliteTenants) -> None:
    tenants.remove("acme")


def test_a_tenant_in_use_is_not_removed(tenants: SqliteTenants) -> None:
    with cloaca.DefaultRunner(tenants.create("acme")) as runner:
        with pytest.raises(TenantError, match="Failed to remove tenant: 'acme' is in use") as found:
            tenants.remove("acme")

        assert runner.list_runs() == []
    assert found.value.tenant == "acme"
    assert tenants.list() == ["acme"]


def test_names_that_differ_only_in_case_are_refused(tenants: SqliteTenants) -> None:
    tenants.create("acme")

    with pytest.raises(TenantError, match="only in case"):
        tenants.create("ACME")


@each_row("name", ["", "..", "../x", "a/b", "x.db", "x\0", "pg_x", "public"])
def test_names_are_those_of_schemas(tenants: SqliteTenants, name: str) -> None:
    for call in (tenants.create, tenants.remove):
        with pytest.raises(TenantNameError):
            call(name)


def test_a_file_that_is_no_database_is_left_alone(tenants: SqliteTenants, folder: Path) -> None:
    tenants.create("acme")
    (folder / "acme.db").write_bytes(b"no database" * 100)

    for call, what in ((tenants.create, "create"), (tenants.remove, "remove")):
        with pytest.raises(TenantError, match=f"Failed to {what} tenant"):
            call("acme")
    assert (folder / "acme.db").exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(TenantError, match="Failed to create tenant"):
        SqliteTenants(tmp_path / "file").create("acme")


def test_a_directory_is_a_path() -> None:
    with pytest.raises(ConfigTypeError, match="directory must be a path, not int"):
        SqliteTenants(7)  # type: ignore[arg-type]  # what is tested

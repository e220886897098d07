"""33: tenants on SQLite: a file each in one directory, named as schemas are."""

from __future__ import annotations

from pathlib import Path

import pytest

import cloaca

pytestmark = pytest.mark.backend("sqlite", reason="tenants on PostgreSQL are schemas: scenario 32")


def test_two_tenants_with_the_same_names_never_meet(tmp_path: Path) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("nightly", registry=registry):

        @cloaca.task()
        def only(context: cloaca.Context) -> None:
            context["seen"] = context["owner"]

    tenants = cloaca.SqliteTenants(tmp_path / "tenants")
    ids = []
    for owner in ("tenant_a", "tenant_b"):
        with cloaca.DefaultRunner(tenants.create(owner), registry=registry) as runner:
            result = runner.execute("nightly", {"owner": owner})
            assert result.final_context["seen"] == owner
            ids.append([info.id for info in runner.list_runs()])

    assert [len(each) for each in ids] == [1, 1]
    assert ids[0] != ids[1]
    assert tenants.list() == ["tenant_a", "tenant_b"]


def test_a_tenant_is_removed_with_its_work_and_can_be_made_anew(tmp_path: Path) -> None:
    tenants = cloaca.SqliteTenants(tmp_path)
    with cloaca.DefaultRunner(tenants.create("acme")) as runner:
        with pytest.raises(cloaca.TenantError, match="Failed to remove tenant: 'acme' is in use"):
            tenants.remove("acme")
        assert runner.list_runs() == []

    tenants.remove("acme")

    assert tenants.list() == []
    with cloaca.DefaultRunner(tenants.create("acme")) as runner:
        assert runner.list_runs() == []


def test_the_schemas_of_postgresql_are_not_to_be_had(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'work.db'}"

    with pytest.raises(ValueError, match="Schema isolation is only supported with PostgreSQL"):
        cloaca.DefaultRunner.with_schema(url, "tenant")
    with pytest.raises(RuntimeError, match=r"Invalid database URL: .*SqliteTenants"):
        cloaca.DatabaseAdmin(url)

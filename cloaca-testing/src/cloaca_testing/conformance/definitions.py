"""Contract for recorded definitions: each version once, and the one registered last is newest."""

from __future__ import annotations

import asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow
from cloaca_testing.conformance.rows import NOW


def definition(workflow: str, version: str, *, name: str | None = None) -> DefinitionRow:
    """A version of ``public::embedded::workflow``."""
    content = f'{{"of":"{workflow} {version}"}}'
    full = f"public::embedded::{workflow}"
    return DefinitionRow(full, version, name or workflow, content, NOW)


class DefinitionConformance:
    """Part of ``StoreConformance``."""

    async def test_a_definition_is_kept_as_it_was_recorded(self, store: Store) -> None:
        row = definition("a", "1")._replace(content='{"text":"Grüße \\"%\\" :name"}')

        await store.record_definitions([row, definition("b", "1")])

        assert await store.get_definition(row.workflow, "1") == row
        assert await store.get_definition(row.workflow, "2") is None
        assert await store.get_definition("public::embedded::c", "1") is None

    async def test_the_version_that_was_registered_last_is_the_newest(self, store: Store) -> None:
        for version in ("2", "1", "3", "1"):
            await store.record_definitions([definition("a", version)])

        newest = DefinitionName("public::embedded::a", "1", "a")
        assert await store.list_definitions() == [newest]
        assert await store.newest_definitions([newest.workflow]) == [newest]
        assert await store.definitions_named("a") == [newest]
        for version in ("1", "2", "3"):
            row = definition("a", version)
            assert await store.get_definition(row.workflow, version) == row

    async def test_a_version_that_is_recorded_again_keeps_its_content(self, store: Store) -> None:
        first = definition("a", "1")
        await store.record_definitions([first])
        await store.record_definitions([definition("a", "2")])

        await store.record_definitions([first._replace(content="{}", recorded_at=NOW + 1)])

        assert await store.get_definition(first.workflow, "1") == first

    async def test_a_version_that_is_only_kept_is_not_the_newest(self, store: Store) -> None:
        newest, kept = definition("a", "1"), definition("a", "2")
        await store.record_definitions([newest])

        await store.keep_definition(kept)
        await store.keep_definition(kept._replace(content="{}"))
        await store.keep_definition(definition("b", "1"))

        assert [row.version for row in await store.list_definitions()] == ["1"]
        assert await store.get_definition(kept.workflow, "2") == kept
        assert await store.get_definition("public::embedded::b", "1") == definition("b", "1")

    async def test_a_workflow_may_get_another_name_without_another_version(
        self, store: Store
    ) -> None:
        await store.record_definitions([definition("a", "1", name="before")])

        await store.record_definitions([definition("a", "1", name="after")])

        assert await store.definitions_named("before") == []
        assert [row.version for row in await store.definitions_named("after")] == ["1"]

    async def test_names_lead_to_all_workflows_that_have_them(self, store: Store) -> None:
        other = definition("a", "9", name="z")._replace(workflow="t::p::a")
        rows = [definition("a", "1", name="x"), definition("b", "2", name="a"), other]
        await store.record_definitions(rows)

        async def found(name: str) -> list[str]:
            return [row.workflow for row in await store.definitions_named(name)]

        a, b = "public::embedded::a", "public::embedded::b"
        assert await found("a") == [a, b, "t::p::a"]
        assert await found(a) == [a]
        assert await found("z") == ["t::p::a"]
        assert await found("embedded::a") == []
        assert await found("_") == await found("%") == []

    async def test_newest_versions_are_listed_by_workflow(self, store: Store) -> None:
        assert await store.list_definitions() == []
        await store.record_definitions([])
        await store.record_definitions([definition("b", "1"), definition("a", "1")])
        await store.record_definitions([definition("b", "2")])

        listed = await store.list_definitions()

        assert [(row.name, row.version) for row in listed] == [("a", "1"), ("b", "2")]
        asked = ["public::embedded::b", "public::embedded::none"]
        assert [row.name for row in await store.newest_definitions(asked)] == ["b"]
        assert await store.newest_definitions([]) == []

    async def test_concurrent_callers_record_each_version_once(self, store: Store) -> None:
        both = [definition("a", "1"), definition("b", "1")]
        later = [definition("b", "2"), definition("a", "2")]

        await asyncio.gather(*map(store.record_definitions, [both, later, both, later]))

        newest = await store.list_definitions()
        assert [row.name for row in newest] == ["a", "b"]
        for row in [*both, *later]:
            assert await store.get_definition(row.workflow, row.version) == row

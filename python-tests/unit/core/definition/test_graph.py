"""The shape of a workflow: order, levels, ends and cycles, each deterministic."""

from __future__ import annotations

from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.definition import graph

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
DEEP = {str(n): (str(n - 1),) if n else () for n in range(10_000)}


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Up to eight tasks, defined in any order, each depending on some of lower number."""
    size = draw(st.integers(0, 8))
    edges = {
        str(node): tuple(
            draw(st.lists(st.sampled_from([str(n) for n in range(node)]), unique=True))
        )
        if node
        else ()
        for node in range(size)
    }
    return {node: edges[node] for node in draw(st.permutations(list(edges)))}


class TestMissing:
    def test_a_graph_that_holds_all_its_dependencies_misses_none(self) -> None:
        assert graph.find_missing(DIAMOND) is None

    def test_the_first_missing_dependency_is_named_with_who_asks(self) -> None:
        assert graph.find_missing({"a": ("x",), "b": ("y",)}) == ("a", "x")


class TestCycles:
    def test_a_diamond_has_none(self) -> None:
        assert graph.find_cycle(DIAMOND) is None

    def test_a_task_that_depends_on_itself_is_one(self) -> None:
        assert graph.find_cycle({"a": ("a",)}) == ["a", "a"]

    def test_the_path_follows_dependencies_and_ends_where_it_began(self) -> None:
        assert graph.find_cycle({"a": ("c",), "b": ("a",), "c": ("b",)}) == ["a", "c", "b", "a"]

    def test_the_way_to_the_cycle_is_not_part_of_the_path(self) -> None:
        assert graph.find_cycle({"a": ("b",), "b": ("c",), "c": ("b",)}) == ["b", "c", "b"]

    def test_it_is_found_behind_tasks_without_one(self) -> None:
        assert graph.find_cycle({**DIAMOND, "e": ("d", "f"), "f": ("e",)}) == ["e", "f", "e"]

    def test_depth_does_not_matter(self) -> None:
        assert graph.find_cycle(DEEP) is None
        assert len(graph.find_cycle({**DEEP, "0": ("9999",)}) or ()) == 10_001

    @given(acyclic_graphs())
    def test_none_is_found_where_there_is_none(self, acyclic: dict[str, tuple[str, ...]]) -> None:
        assert graph.find_cycle(acyclic) is None


class TestOrder:
    def test_levels_group_what_can_run_together(self) -> None:
        assert graph.levels(DIAMOND) == [["a"], ["b", "c"], ["d"]]

    def test_a_task_stands_on_the_level_of_its_longest_way(self) -> None:
        assert graph.levels({"a": (), "c": ("a", "b"), "b": ("a",)}) == [["a"], ["b"], ["c"]]

    @each_row("order", ["abc", "cab", "bca"])
    def test_a_level_keeps_the_order_of_definition(self, order: str) -> None:
        assert graph.levels(dict.fromkeys(order, ())) == [list(order)]

    def test_a_dependency_that_is_named_twice_counts_once(self) -> None:
        assert graph.levels({"a": (), "b": ("a", "a")}) == [["a"], ["b"]]

    def test_the_empty_graph_has_no_levels(self) -> None:
        assert graph.levels({}) == []

    def test_topological_order_is_the_levels_one_after_the_other(self) -> None:
        assert graph.topological_order({"d": ("b", "c"), **DIAMOND}) == ["a", "b", "c", "d"]

    def test_depth_does_not_matter(self) -> None:
        assert graph.topological_order(DEEP) == list(DEEP)

    @given(acyclic_graphs())
    def test_each_task_once_and_after_what_it_depends_on(
        self, acyclic: dict[str, tuple[str, ...]]
    ) -> None:
        order = graph.topological_order(acyclic)
        assert sorted(order) == sorted(acyclic)
        for node, dependencies in acyclic.items():
            assert all(order.index(one) < order.index(node) for one in dependencies)


class TestEnds:
    def test_roots_depend_on_nothing(self) -> None:
        assert graph.roots({**DIAMOND, "e": ()}) == ["a", "e"]

    def test_leaves_are_needed_by_nothing(self) -> None:
        assert graph.leaves({**DIAMOND, "e": ()}) == ["d", "e"]


class TestAncestors:
    def test_they_are_direct_and_transitive_dependencies(self) -> None:
        assert graph.ancestors(DIAMOND, "d") == {"a", "b", "c"}

    def test_a_root_has_none(self) -> None:
        assert graph.ancestors(DIAMOND, "a") == set()

    def test_depth_does_not_matter(self) -> None:
        assert len(graph.ancestors(DEEP, "9999")) == 9_999

"""Which write of a key a reader sees, and what becomes of writes that are unrelated."""

from __future__ import annotations

from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.run.merge import (
    REMOVED,
    UNTOUCHED,
    Change,
    Flow,
    Write,
    changed,
    merged,
    view,
)
from cloaca_core.values.payloads.json_values import JsonValue

# a(0) before b(1) and c(2), which know nothing of each other; d(3) after both.
A, B, C, D = range(4)
ANCESTORS = [0b0000, 0b0001, 0b0001, 0b0111]
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["x", "y"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


def wrote(writer: int, value: JsonValue, flow: Flow = UNTOUCHED) -> Flow:
    return changed(flow, Change({"k": value}, []), writer)


def removed(writer: int, flow: Flow = UNTOUCHED) -> Flow:
    return changed(flow, Change({}, ["k"]), writer)


def seen(*flows: Flow, run_input: dict[str, JsonValue] | None = None) -> dict[str, JsonValue]:
    return view(run_input or {}, merged(flows, ANCESTORS))


class TestOneWriter:
    def test_a_key_that_nobody_wrote_is_the_inputs(self) -> None:
        assert seen(UNTOUCHED, run_input={"k": 1}) == {"k": 1}

    def test_a_write_replaces_the_input(self) -> None:
        assert seen(wrote(A, 2), UNTOUCHED, run_input={"k": 1}) == {"k": 2}

    def test_a_removal_removes_the_input(self) -> None:
        assert seen(removed(A), UNTOUCHED, run_input={"k": 1}) == {}

    def test_a_descendants_write_stands_whatever_the_order(self) -> None:
        old, new = wrote(A, 1), wrote(B, 2, wrote(A, 1))
        assert seen(old, new) == seen(new, old) == {"k": 2}

    def test_a_descendants_removal_stands_too(self) -> None:
        old, new = wrote(A, 1), removed(B, wrote(A, 1))
        assert seen(old, new) == seen(new, old) == {}

    def test_no_change_is_the_same_flow(self) -> None:
        flow = wrote(A, 1)
        assert changed(flow, Change({}, []), B) is flow


class TestUnrelatedWriters:
    def test_the_later_declared_wins(self) -> None:
        assert seen(wrote(B, 1), wrote(C, 2)) == {"k": 2}
        assert seen(wrote(C, 2), wrote(B, 1)) == {"k": 1}

    def test_one_that_is_declared_again_at_the_end_wins_too(self) -> None:
        """As a writer does whose context comes by two ways."""
        first, other = wrote(B, 1), wrote(C, 2)
        assert seen(first, other, merged([first, UNTOUCHED], ANCESTORS)) == {"k": 1}

    def test_a_write_beats_a_removal(self) -> None:
        assert seen(wrote(B, 1), removed(C)) == seen(removed(C), wrote(B, 1)) == {"k": 1}

    def test_two_removals_remove(self) -> None:
        assert seen(removed(B), removed(C), run_input={"k": 1}) == {}

    @each_row(
        ("first", "second", "both"),
        [
            ([1, 2], [2, 3], [1, 2, 3]),  # unseen items of the later follow
            ([1, 1], [1], [1, 1]),  # repetitions of the earlier stay
            ([], [1], [1]),
            ([1, 2], [1, 2], [1, 2]),  # identical
            ([1], [1.0], [1]),  # JSON equality goes by value
            ([1], [True], [1, True]),  # but true is not 1
            ([0], [False], [0, False]),
            ([None], [None, 0], [None, 0]),
            ([{"a": 1}], [{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
            ([[1, 2]], [[2, 1], [1, 2]], [[1, 2], [2, 1]]),
            ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}], [{"a": 1, "b": 2}]),  # order of keys is none
        ],
    )
    def test_lists_become_a_union_in_order(
        self, first: JsonValue, second: JsonValue, both: JsonValue
    ) -> None:
        result = seen(wrote(B, first), wrote(C, second))["k"]

        assert repr(result) == repr(both)

    @each_row(
        ("first", "second", "both"),
        [
            ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
            ({"a": 1}, {"a": 2}, {"a": 2}),  # the later declared wins inside too
            ({"a": [1]}, {"a": [2]}, {"a": [1, 2]}),
            ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
            ({"a": {"x": 1}}, {"a": 5}, {"a": 5}),  # kinds differ
        ],
    )
    def test_objects_merge_recursively(
        self, first: JsonValue, second: JsonValue, both: JsonValue
    ) -> None:
        assert seen(wrote(B, first), wrote(C, second)) == {"k": both}

    def test_a_conflict_is_settled_by_who_writes_after_it(self) -> None:
        conflict = merged([wrote(B, [1]), wrote(C, [2])], ANCESTORS)

        assert seen(conflict, wrote(D, 7, conflict)) == {"k": 7}

    def test_a_long_union_is_near_linear(self) -> None:
        """It would take minutes otherwise."""
        first: list[JsonValue] = list(range(40_000))
        second: list[JsonValue] = list(range(20_000, 60_000))

        assert seen(wrote(B, first), wrote(C, second)) == {"k": list(range(60_000))}


class TestLaws:
    @given(JSON)
    def test_merging_with_itself_changes_nothing(self, value: JsonValue) -> None:
        flow = wrote(B, value)

        assert seen(flow, Flow(dict(flow.writes()), {})) == {"k": value}

    @given(JSON, JSON)
    def test_merging_changes_neither_side(self, first: JsonValue, second: JsonValue) -> None:
        one, other = wrote(B, first), wrote(C, second)
        before = repr((one, other))

        seen(one, other)

        assert repr((one, other)) == before

    @given(st.lists(st.tuples(st.sampled_from([B, C]), JSON), min_size=1, max_size=5))
    def test_repetition_of_what_was_merged_already_changes_nothing(
        self, writes: list[tuple[int, JsonValue]]
    ) -> None:
        flows = [wrote(writer, value) for writer, value in dict(writes).items()]
        once = merged(flows, ANCESTORS)

        assert view({}, merged([once, once], ANCESTORS)) == view({}, once)
        assert view({}, merged([once, *flows], ANCESTORS)) == view({}, once)


def test_the_stored_form_names_what_was_set_and_removed() -> None:
    assert Change({"a": 1}, ["b"]).to_json() == '{"set":{"a":1},"removed":["b"]}'


def test_a_removal_is_a_write() -> None:
    assert removed(A).writes() == {"k": (Write(A, REMOVED),)}


WIDE: Flow = changed(UNTOUCHED, Change({f"k{i}": [i] for i in range(9)}, []), A)
"""As after a join of many keys."""
CHANGES = st.builds(
    Change,
    st.dictionaries(st.sampled_from(["k", "k0", "k1", "new"]), JSON, max_size=2),
    st.lists(st.sampled_from(["k2", "k3"]), unique=True, max_size=2),
)


class TestFlowsThatBeganAtOnePlace:
    def test_what_was_there_before_is_held_once(self) -> None:
        one = changed(WIDE, Change({"k0": 1}, []), B)
        other = changed(WIDE, Change({"new": 2}, []), C)

        assert one.base is other.base is merged([one, other], ANCESTORS).base

    def test_a_flow_that_is_mostly_new_does_not_drag_the_old_one_along(self) -> None:
        anew = changed(WIDE, Change({f"k{i}": None for i in range(9)}, []), B)

        assert not anew.since

    @given(CHANGES, CHANGES, CHANGES)
    def test_sharing_is_not_seen(self, first: Change, second: Change, third: Change) -> None:
        one, other = changed(WIDE, first, B), changed(WIDE, second, C)
        after = changed(one, third, D)
        flows = [one, WIDE, other, after]
        alone = [Flow(flow.writes(), {}) for flow in flows]

        shared, apart = (view({}, merged(each, ANCESTORS)) for each in (flows, alone))
        assert shared == apart

"""The keys of a run that its workflow merges by rule, and the values that no rule could treat.

Made only for workflows with ``builder.merge``. A value that a rule cannot treat stays as it would
be without the rule; the task at which it meets the others must not begin. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cloaca_core.run.graph import Node, NodeGraph
from cloaca_core.run.merge import REMOVED, UNTOUCHED, Change, Flow, Write
from cloaca_core.run.merging.merge_rules import OutOfRangeError, RuledKey, UnmergeableError
from cloaca_core.values.option_names import MergeRuleName
from cloaca_core.values.payloads.json_values import JsonValue


class Unmerged(NamedTuple):
    """A key that its rule could not merge; ``text`` says what was met."""

    key: str
    rule: MergeRuleName
    text: str


class _Merged(NamedTuple):
    """The keys of a flow that rules have merged, and those that they could not merge."""

    values: Mapping[str, JsonValue]
    unmerged: Sequence[Unmerged]


class RuledKeys:
    """The keys with a rule, in the order of their names."""

    __slots__ = ("_graph", "_keys", "_last")

    def __init__(self, graph: NodeGraph[Node], run_input: Mapping[str, JsonValue]) -> None:
        self._graph = graph
        self._keys = {
            key: RuledKey(rule, run_input.get(key, REMOVED))
            for key, rule in sorted(graph.merges.items())
        }
        self._last: tuple[Flow, _Merged] = (UNTOUCHED, _Merged({}, ()))

    def note(self, writer: int, change: Change) -> None:
        """A task, or a replacement of keys, has made this change."""
        for key, ruled in self._keys.items():
            if key in change.set:
                ruled.note(writer, change.set[key])
            elif key in change.removed:
                ruled.note(writer, REMOVED)

    def values(self, flow: Flow, ancestors: Sequence[int]) -> Mapping[str, JsonValue]:
        """The values of the keys that unrelated tasks wrote and that their rules could merge."""
        return self._merged(flow, ancestors).values

    def met(self, flow: Flow, before: Sequence[Flow], ancestors: Sequence[int]) -> Unmerged | None:
        """The first key that its rule cannot merge in ``flow``, which is the merge of the flows
        ``before``. A key that was so in one of them does not count: it has met there.
        """
        for each in self._merged(flow, ancestors).unmerged:
            writers = _writers(flow, each.key)
            if all(_writers(one, each.key) != writers for one in before):
                return each
        return None

    def _merged(self, flow: Flow, ancestors: Sequence[int]) -> _Merged:
        if self._last[0] is not flow:
            self._last = (flow, self._merge(flow, ancestors))
        return self._last[1]

    def _merge(self, flow: Flow, ancestors: Sequence[int]) -> _Merged:
        values: dict[str, JsonValue] = {}
        unmerged = []
        for key, ruled in self._keys.items():
            writes = _writes(flow, key)
            if sum(each.value is not REMOVED for each in writes) < 2:
                continue
            try:
                values[key] = ruled.merged(writes, ancestors)
            except UnmergeableError as error:
                told = f"{self._wrote(error.writer)} {error.met}"
                unmerged.append(Unmerged(key, ruled.name, _takes(key, ruled, told)))
            except OutOfRangeError:
                told = "the result is out of range"
                unmerged.append(Unmerged(key, ruled.name, _takes(key, ruled, told)))
        return _Merged(values, unmerged)

    def _wrote(self, writer: int | None) -> str:
        if writer is None:
            return "the value before was"
        tasks = self._graph.tasks
        by_task = writer < len(tasks)
        return f"task '{tasks[writer].id}' wrote" if by_task else "a replacement of keys wrote"


def _takes(key: str, ruled: RuledKey, told: str) -> str:
    return f"the rule {ruled.name} of key {key!r} merges {ruled.takes}, and {told}"


def _writes(flow: Flow, key: str) -> Sequence[Write]:
    return flow.since[key] if key in flow.since else flow.base.get(key, ())


def _writers(flow: Flow, key: str) -> set[int]:
    return {each.writer for each in _writes(flow, key)}

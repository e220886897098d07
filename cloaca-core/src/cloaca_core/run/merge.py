"""Merges the contexts that flow between tasks: for each key, the tasks that wrote it last.

The rules are in ``docs/explanation/merging.md``. A key keeps every *last* write: a write that no
other writer of the key has seen. Usually there is one. A task sees the contexts of all its
ancestors, so an ancestor's write is always older. A reader gets the combination of the last writes,
in the order in which the dependencies are declared. Pure: refuses nothing, and knows no clock, no
store and no task body.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from cloaca_core.values.payloads.json_values import JsonValue, encode, same_value


class Removed:
    """The mark of a removal, which is a write too."""

    __slots__ = ()


REMOVED: Final = Removed()


class Write(NamedTuple):
    """One last write of a key. ``writer`` is the index of a task, or of a replacement."""

    writer: int
    value: JsonValue | Removed


Writes: TypeAlias = Mapping[str, tuple[Write, ...]]
"""The last writes of each key. Shared between tasks, so never changed in place."""


class Flow(NamedTuple):
    """The writes of all tasks on the way to a place in the graph. A key without a write has the
    value of the run's input, which counts as the oldest.

    ``since`` was written after ``base``. Flows that began at one place share ``base``: a thousand
    tasks after a join of a thousand keys hold these keys once.
    """

    base: Writes
    since: Writes

    def writes(self) -> Writes:
        """``base`` and ``since`` as one mapping."""
        return {**self.base, **self.since} if self.since else self.base


UNTOUCHED: Final = Flow({}, {})
"""The flow at the start of a run."""


class Change(NamedTuple):
    """The changes of a task to the context that it was given."""

    set: Mapping[str, JsonValue]
    removed: Sequence[str]

    def to_json(self) -> str:
        """The stored form, ``{"set": {…}, "removed": […]}``."""
        return encode({"set": dict(self.set), "removed": list(self.removed)})


UNCHANGED: Final = Change({}, [])
"""The change of a task that left its context as it was."""

UNCHANGED_JSON: Final = UNCHANGED.to_json()


def changed(flow: Flow, change: Change, writer: int) -> Flow:
    """The flow after a task's change."""
    if not change.set and not change.removed:
        return flow
    since = dict(flow.since)
    for key, value in change.set.items():
        since[key] = (Write(writer, value),)
    for key in change.removed:
        since[key] = (Write(writer, REMOVED),)
    return _flow(flow.base, since)


def _flow(base: Writes, since: Writes) -> Flow:
    """Share the base while it is most of the flow; otherwise copy it, which happens once in many
    writes.
    """
    flow = Flow(base, since)
    return flow if 2 * len(since) < len(base) else Flow(flow.writes(), {})


def merged(flows: Sequence[Flow], ancestors: Sequence[int]) -> Flow:
    """The merge of the flows of several dependencies, in their declared order.

    ``ancestors[i]`` is the set of the ancestors of task ``i`` as a bit mask.
    """
    first = flows[0]
    if all(flow is first for flow in flows):
        return first
    if all(flow.base is first.base for flow in flows):
        # Tasks that wrote since were given the base, so its writes of the same keys are older.
        return _flow(first.base, _gathered([flow.since for flow in flows], ancestors))
    return Flow(_gathered([flow.writes() for flow in flows], ancestors), {})


def joined(flow: Flow, writes: Mapping[str, Write], ancestors: Sequence[int]) -> Flow:
    """The flow with further writes, one for each key. ``ancestors`` decides which writes count."""
    since = dict(flow.since)
    for key, write in writes.items():
        found = since[key] if key in since else flow.base.get(key, ())
        if all(each.writer != write.writer for each in found):
            latest = _latest([found, (write,)], ancestors)
            if latest != found:
                since[key] = latest
    return flow if since == flow.since else _flow(flow.base, since)


def _gathered(several: Sequence[Writes], ancestors: Sequence[int]) -> Writes:
    gathered: dict[str, list[tuple[Write, ...]]] = {}
    for each in several:
        for key, writes in each.items():
            gathered.setdefault(key, []).append(writes)
    return {key: _latest(found, ancestors) for key, found in gathered.items()}


def _latest(found: list[tuple[Write, ...]], ancestors: Sequence[int]) -> tuple[Write, ...]:
    first = found[0]
    if all(writes is first for writes in found):
        return first
    writes = [write for each in found for write in each]
    seen_by_others = 0
    for write in writes:
        seen_by_others |= ancestors[write.writer]
    return _first_and_last([w for w in writes if not seen_by_others >> w.writer & 1])


def _first_and_last(writes: list[Write]) -> tuple[Write, ...]:
    """Keep the first and the last place of each write: no rule looks at the places between.

    A union of lists keeps the order of first appearance, and any other conflict is decided by the
    last write. The places between would only make the flow grow with the width of the graph.
    """
    last = {write.writer: position for position, write in enumerate(writes)}
    kept = []
    seen: set[int] = set()
    for position, write in enumerate(writes):
        if write.writer not in seen or last[write.writer] == position:
            kept.append(write)
        seen.add(write.writer)
    return tuple(kept)


def view(run_input: dict[str, JsonValue], flow: Flow) -> dict[str, JsonValue]:
    """The data that a reader of this flow sees. It may be shared: do not change it."""
    if not (flow.base or flow.since):
        return run_input
    data = dict(run_input)
    for key, writes in flow.writes().items():
        values = [w.value for w in writes if not isinstance(w.value, Removed)]
        if values:
            data[key] = values[0] if len(values) == 1 else combined(values)
        else:
            data.pop(key, None)
    return data


def combined(values: list[JsonValue]) -> JsonValue:
    """The combination of unrelated writes, earlier declared first."""
    latest = values[-1]
    if isinstance(latest, list):
        return _union(_last_of_kind(values, list))
    if isinstance(latest, dict):
        return _merged_objects(_last_of_kind(values, dict))
    return latest


def _last_of_kind(values: list[JsonValue], kind: type) -> list[JsonValue]:
    """The values after the last value of another kind, which replaced all values before it."""
    start = len(values)
    while start and isinstance(values[start - 1], kind):
        start -= 1
    return values[start:]


def _union(arrays: Iterable[JsonValue]) -> JsonValue:
    distinct: list[list[JsonValue]] = []
    for array in arrays:
        assert isinstance(array, list)
        if not any(array is known or same_value(array, known) for known in distinct[-1:]):
            distinct.append(array)
    result = list(distinct[0])
    if len(distinct) == 1:
        return result
    seen = {hashable(item) for item in result}
    for array in distinct[1:]:
        for item in array:
            form = hashable(item)
            if form not in seen:
                seen.add(form)
                result.append(item)
    return result


def _merged_objects(objects: Iterable[JsonValue]) -> JsonValue:
    gathered: dict[str, list[JsonValue]] = {}
    for each in objects:
        assert isinstance(each, dict)
        for key, value in each.items():
            gathered.setdefault(key, []).append(value)
    return {k: found[0] if len(found) == 1 else combined(found) for k, found in gathered.items()}


def hashable(value: JsonValue) -> object:
    """A form that is equal for equal JSON: numbers by value, but true is not 1."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list):
        return (list, tuple(hashable(item) for item in value))
    if isinstance(value, dict):
        return (dict, frozenset((key, hashable(item)) for key, item in value.items()))
    return value

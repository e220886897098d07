"""Records and changes the settings of limits, and gives the places that are free by them. Loaded
with the first change.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from cloaca_core.features.limits.giving import Wanted
from cloaca_core.features.limits.giving_steps import Giving
from cloaca_core.store.sql.base import of_act
from cloaca_core.store.sql.dialect import More, Step
from cloaca_core.values.limits.settings import LimitChanges

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from cloaca_core.features.limits.records import Given, LimitDefinition
    from cloaca_core.features.limits.statements import LimitQueries
    from cloaca_core.store.acts import ActRow
    from cloaca_core.store.sql.dialect import Answers, Dialect
    from cloaca_core.values.times.instants import Instant


async def recorded(
    dialect: Dialect,
    q: LimitQueries,
    definitions: Sequence[LimitDefinition],
    together: Sequence[Collection[str]],
) -> Given:
    """See ``LimitStore.record_limits``. Returns what was given."""
    names = {each.name for each in definitions}.union(*together)
    giving = Giving(q, dialect.array, Wanted(None, 0, 0), names)
    joining = [
        Step(q.join_families, q.join_families.bind(names=dialect.array(sorted(each))))
        for each in together
    ]

    def then(now: Instant, answers: Answers) -> Generator[More, Answers, None]:
        locked = {name: (content, changes) for name, content, changes in answers[0]}
        others = [
            each
            for each in definitions
            if each.name in locked and locked[each.name][0] != each.content
        ]
        steps = [
            Step.of(q.record_limit, {"name": each.name, "content": each.content, "now": now})
            for each in sorted(definitions)
        ]
        if not others:
            yield More(steps + joining, last=True)
            return
        steps += [_noted(q, each.act) for each in others if each.act is not None]
        for each in others:
            locked[each.name] = each.content, locked[each.name][1]
        reopening = [Step(q.open_all_lines, (each.name,)) for each in others]
        opened = (yield More(steps + joining + reopening))[-len(others) :]
        rows = [(name, *texts) for name, texts in locked.items()]
        yield from giving.gives(now, rows, answers[1], opened=list(chain.from_iterable(opened)))

    await dialect.write(giving.locks(()), then=then)
    return giving.given


async def changed(
    dialect: Dialect, q: LimitQueries, name: str, changes: LimitChanges | None, act: ActRow
) -> tuple[bool | None, Given]:
    """See ``LimitStore.set_limit``. Returns also what was given."""
    giving = Giving(q, dialect.array, Wanted(None, 0, 0), (name,))
    found: bool | None = None

    def then(now: Instant, answers: Answers) -> Generator[More, Answers, None]:
        nonlocal found
        locked = {each: (content, known) for each, content, known in answers[0]}
        if name not in locked:
            found = None
            return
        content, known = locked[name]
        before = LimitChanges.read(known)
        after = LimitChanges() if changes is None else before.then(changes)
        if not (found := after != before):
            return
        locked[name] = content, after.content()
        who = (None, None) if after == LimitChanges() else (now, act.asked_by)
        bound = {"name": name, "changes": after.content()}
        change = q.change_limit.bind(**bound, changed_at=who[0], changed_by=who[1])
        reopening = Step(q.open_all_lines, (name,))
        *_, opened = yield More([Step(q.change_limit, change), _noted(q, act), reopening])
        rows = [(each, *texts) for each, texts in locked.items()]
        yield from giving.gives(now, rows, answers[1], opened=opened)

    await dialect.write(giving.locks(()), then=then)
    return found, giving.given


def _noted(q: LimitQueries, act: ActRow) -> Step:
    return Step.of(q.note_limit_act, of_act(act))

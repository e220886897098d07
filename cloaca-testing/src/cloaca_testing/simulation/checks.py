"""What must hold in every story: the promises, judged by what the tables say and what callers were
told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from cloaca_core.store.tables import BY_NAME

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_testing.simulation.story import Story

ENDED: Final = ("Completed", "Failed", "Cancelled", "Skipped")
BY_RUN: Final = {"run": "id", "attempt": "run_id"}


class BrokenPromiseError(AssertionError):
    """A check has failed; the text says which, and how."""


class Rows(NamedTuple):
    """The tables at an instant; each row by its columns."""

    runs: dict[str, dict[str, Any]]
    attempts: dict[tuple[Any, ...], dict[str, Any]]
    messages: dict[tuple[str, str], dict[str, Any]]


class Said(NamedTuple):
    """What a caller was told of a submission: the run, its input and its key."""

    run_id: str
    given: str
    key: str | None
    created: bool


class Checks:
    """Remembers what was seen and what was acknowledged; ``look`` compares it with the tables."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._results: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._ends: dict[tuple[str, int], tuple[Any, ...]] = {}
        self._epochs: dict[str, int] = {}
        self.said: list[Said] = []
        self.sent: set[tuple[str, str]] = set()

    def look(self, rows: Rows) -> None:
        """Check all rows at an instant."""
        self._acknowledged(rows)
        self._recorded(rows)
        self._keys(rows)

    def _acknowledged(self, rows: Rows) -> None:
        for said in self.said:
            if said.run_id not in rows.runs:
                name = self._story.run(said.run_id)
                raise BrokenPromiseError(f"{name} was acknowledged, and does not exist")
        keyed = [
            (row["run_id"], row["dedupe_key"])
            for row in rows.messages.values()
            if row["dedupe_key"]
        ]
        known = set(keyed)
        if len(known) < len(keyed):
            raise BrokenPromiseError("a message that was sent twice with one key exists twice")
        for run_id, key in self.sent - known:
            name = self._story.run(run_id)
            raise BrokenPromiseError(
                f"message {key!r} to {name} was acknowledged, and does not exist"
            )

    def _recorded(self, rows: Rows) -> None:
        for key, before in self._results.items():
            now = rows.attempts.get(key)
            if now != before:
                task = f"{before['task_id']} of {self._story.run(before['run_id'])}"
                raise BrokenPromiseError(
                    f"the recorded result of {task} has changed\n  {_differ(before, now)}"
                )
        for key, row in rows.attempts.items():
            if row["status"] == "Completed":
                self._refuse_late(key, row)
                self._results[key] = row
        self._epochs = {run_id: row["epoch"] for run_id, row in rows.runs.items()}
        for run_id, row in rows.runs.items():
            if row["status"] not in ENDED:
                continue
            end = (row["status"], row["final_context"], row["ended_at"])
            if self._ends.setdefault((run_id, row["round"]), end) != end:
                name = self._story.run(run_id)
                raise BrokenPromiseError(f"the end of {name} has changed within its round")

    def _refuse_late(self, key: tuple[Any, ...], row: dict[str, Any]) -> None:
        """A result that is new must be of the epoch in which its run was until then."""
        if key not in self._results and row["epoch"] < self._epochs.get(row["run_id"], 0):
            task = f"{row['task_id']} of {self._story.run(row['run_id'])}"
            raise BrokenPromiseError(
                f"a result of {task} was recorded by an owner that has lost the run"
            )

    def _keys(self, rows: Rows) -> None:
        keyed, single = _Holders(), _Holders()
        for run_id, row in rows.runs.items():
            if not keyed.holds(row["workflow"], row["idempotency_key"], run_id):
                raise BrokenPromiseError(
                    f"two runs have the idempotency key {row['idempotency_key']!r}"
                )
            waits = row["status"] in ENDED or row["behind"] is not None
            if not waits and not single.holds(row["workflow"], row["singleton_key"], run_id):
                raise BrokenPromiseError(
                    f"two runs are under way with the singleton key {row['singleton_key']!r}"
                )
        self._answers()

    def _answers(self) -> None:
        """All that callers were told about one key is about one run, made of one input."""
        first: dict[str, Said] = {}
        for said in self.said:
            if said.key is None:
                continue
            if (other := first.setdefault(said.key, said)).run_id != said.run_id:
                names = f"{self._story.run(other.run_id)} and {self._story.run(said.run_id)}"
                raise BrokenPromiseError(f"key {said.key!r} gave two runs: {names}")
            made = {each.given for each in self.said if each.key == said.key and each.created}
            if len(made) > 1:
                raise BrokenPromiseError(f"key {said.key!r} was accepted with two inputs")

    def all_ended(self, rows: Rows) -> str | None:
        """The run that has not ended, in words; None if all have."""
        for run_id, row in rows.runs.items():
            if row["status"] not in ENDED:
                return f"{self._story.run(run_id)} is still {row['status']}"
        return None


class _Holders:
    """The runs that have the keys of workflows."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], str] = {}

    def holds(self, workflow: str, key: str | None, run_id: str) -> bool:
        """Note that a run has a key; False if another one has it."""
        return key is None or self._runs.setdefault((workflow, key), run_id) == run_id


def _differ(before: dict[str, Any], now: dict[str, Any] | None) -> str:
    if now is None:
        return "its row is gone"
    return ", ".join(
        f"{name}: {before[name]!r} → {now[name]!r}" for name in before if before[name] != now[name]
    )


class Named(Protocol):
    """A runner of the story."""

    name: str


class Bodies:
    """The bodies that are under way, and whether one begins that must not."""

    def __init__(
        self, story: Story, rows: Callable[[], Rows], totals: Mapping[str, int | None]
    ) -> None:
        self._story = story
        self._totals = totals
        self._rows = rows
        self._under_way: dict[Attempt, Named] = {}

    def begins(self, member: Named, attempt: Attempt) -> None:
        """A body begins on a runner."""
        what = f"{attempt.name} of {self._story.run(attempt.run_id)}"
        self._story.tell(
            member.name, f"begins {what}, attempt {attempt.number}, epoch {attempt.epoch}"
        )
        for other, where in self._under_way.items():
            same = (other.run_id, other.name, other.epoch) == (
                attempt.run_id,
                attempt.name,
                attempt.epoch,
            )
            if same and not other.abandoned:
                raise BrokenPromiseError(
                    f"{what} begins on {member.name}, and is under way on {where.name}, "
                    "in the same epoch"
                )
        self._refuse_done(attempt, what)
        self._refuse_crowd(attempt, what)
        self._under_way[attempt] = member

    def _refuse_done(self, attempt: Attempt, what: str) -> None:
        rows = self._rows()
        run = rows.runs.get(attempt.run_id)
        if run is None:
            raise BrokenPromiseError(f"{what} begins, and its run does not exist")
        if run["epoch"] != attempt.epoch:
            return
        if run["ended_at"] is not None:
            raise BrokenPromiseError(f"{what} begins, and its run is {run['status']}")
        if attempt.item is not None:
            return
        for row in rows.attempts.values():
            mine = (row["run_id"], row["task_id"]) == (attempt.run_id, attempt.task.id)
            if mine and row["status"] == "Completed":
                raise BrokenPromiseError(f"{what} begins, and has been recorded as Completed")

    def _refuse_crowd(self, attempt: Attempt, what: str) -> None:
        """Of what needs a limit only so many bodies of runs that are not lost may be under way."""
        runs = self._rows().runs
        for use in attempt.task.limits:
            if (total := self._totals.get(use.name)) is None:
                continue
            held = [
                each
                for each in (*self._under_way, attempt)
                if not each.abandoned
                and runs[each.run_id]["epoch"] == each.epoch
                and any(other.name == use.name for other in each.task.limits)
            ]
            if len(held) > total:
                raise BrokenPromiseError(
                    f"{what} begins as number {len(held)} of limit {use.name!r}, {total} at once"
                )

    def ends(self, member: Named, attempt: Attempt) -> None:
        """A body has returned."""
        if self._under_way.pop(attempt, None) is not None:
            run = self._story.run(attempt.run_id)
            self._story.tell(member.name, f"has run {attempt.name} of {run}")

    def lost(self, member: Named) -> None:
        """All bodies of a runner are gone."""
        for attempt in [each for each, where in self._under_way.items() if where is member]:
            del self._under_way[attempt]


def rows_of(
    pages: Callable[[str], list[tuple[Any, ...]]], known: dict[tuple[Any, ...], dict[str, Any]]
) -> Rows:
    """The tables, read by name. ``known`` keeps the rows: most are the same as the last time."""

    def named(table: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        found = BY_NAME[table]
        for row in pages(table):
            if (by_name := known.get(row)) is None:
                by_name = known[row] = dict(zip(found.columns, row, strict=True))
            yield found.key_of(row), by_name

    return Rows(
        {row["id"]: row for _, row in named("run")},
        dict(named("attempt")),
        {(row["run_id"], row["id"]): row for _, row in named("message")},
    )

"""The common part of the classes of a SQL store: loads statements, and executes one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar, Final, TypeVar

from cloaca_core.store.acts import Acted, ActRow
from cloaca_core.store.changes import Change
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Dialect, Step
from cloaca_core.store.sql.queries import Row, Statement, Wording, load_statements

S = TypeVar("S", bound="Statements")

NO_NEWS: Final[Mapping[str, Change]] = MappingProxyType({})


class Statements:
    """The statements of one noun, by the names that a subclass lists. They are in ``file`` beside
    the module of the subclass, or in a backend's file of this name. For statements in ``news``,
    other processes are notified of a change of that kind.

    Not a named tuple: Python takes half a millisecond to make the class of one with forty fields,
    and every program makes all of these before it reads its first row.
    """

    file: ClassVar[str]
    news: ClassVar[Mapping[str, Change]]

    def __init_subclass__(cls, *, file: str, news: Mapping[str, Change] = NO_NEWS) -> None:
        cls.file, cls.news = file, news

    def __init__(self, **statements: Statement) -> None:
        vars(self).update(statements)

    def __iter__(self) -> Iterator[Statement]:
        return iter(vars(self).values())

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names that must have a statement, in their order."""
        return tuple(cls.__annotations__)


class RunQueries(
    Statements,
    file="runs.sql",
    news={
        "insert_unowned_run": Change.RUNS,
        "note_queue": Change.RUNS,
        "make_due_claimable": Change.RUNS,
        "make_claimable_after_set_back": Change.RUNS,
        "park_run": Change.MOVES,
        "leave_run": Change.RUNS,
        "end_run": Change.RUNS,
    },
):
    """Statements about runs: record, claim, read."""

    insert_plain_run: Statement
    insert_run: Statement
    insert_unowned_run: Statement
    lock_roots: Statement
    find_parents: Statement
    free_key: Statement
    insert_tag: Statement
    note_submission: Statement
    note_queue: Statement
    pause_new_children: Statement
    owned_runs: Statement
    find_keys: Statement
    lock_runs: Statement
    lock_steered: Statement
    fence_runs: Statement
    record_attempt: Statement
    end_run: Statement
    park_run: Statement
    pause_exhausted: Statement
    note_exhausted: Statement
    claim: Statement
    has_claimable: Statement
    set_ran_version: Statement
    note_unserved: Statement
    forget_ended: Statement
    leave_run: Statement
    list_left: Statement
    count_left: Statement
    forget_unserved: Statement
    next_due_run: Statement
    make_due_claimable: Statement
    make_claimable_after_set_back: Statement
    load_attempts: Statement
    list_outcomes: Statement
    list_restarts: Statement
    list_rounds: Statement
    get_run: Statement
    ended_runs: Statement
    list_runs: Statement
    list_active_runs: Statement
    count_active_runs: Statement
    list_ended_runs: Statement
    list_runs_of_workflow: Statement
    list_runs_of_parent: Statement
    list_runs_of_tag: Statement
    list_waiting: Statement


class RunnerQueries(
    Statements,
    file="runners.sql",
    news={
        "release": Change.ANYTHING,
        "unregister": Change.ANYTHING,
        "register": Change.ANYTHING,
        "take_over_runs": Change.ANYTHING,
        "fence": Change.ANYTHING,
        "drain": Change.ANYTHING,
    },
):
    """Runners, their leases, and the release and takeover of their runs."""

    register: Statement
    name_runner: Statement
    runner_names: Statement
    get_runner: Statement
    list_runners: Statement
    drain: Statement
    note_drain: Statement
    beat: Statement
    shut_out: Statement
    release: Statement
    unregister: Statement
    forget_runner: Statement
    fence: Statement
    count_crashes: Statement
    take_over_runs: Statement
    note_lost: Statement
    list_lost: Statement
    remove_emptied_runner: Statement
    lock_schedules_of_owned: Statement
    lock_owned: Statement
    mark_cancelled: Statement
    end_cancelled: Statement


class PayloadQueries(Statements, file="payloads.sql"):
    """Large texts of runs, in a backend that stores them in their own table; see
    ``payloads.py``.
    """

    insert_input: Statement
    insert_final_context: Statement
    copy_input: Statement
    erase_payloads: Statement


class Queries:
    """The statements in the wording of the dialect with this ``sql_package``. A file is read once,
    when a part first asks for its statements.
    """

    def __init__(self, package: str, wording: Wording) -> None:
        self._package = package
        self._wording = wording
        self._loaded: dict[type[Statements], Statements] = {}
        has_payloads = package_files(package).joinpath(PayloadQueries.file).is_file()
        self.payloads: PayloadQueries | None = self.of(PayloadQueries) if has_payloads else None

    def of(self, kind: type[S]) -> S:
        """The statements of one noun."""
        if (known := self._loaded.get(kind)) is None:
            known = self._loaded[kind] = self._load(kind)
        assert isinstance(known, kind)
        return known

    def _load(self, kind: type[S]) -> S:
        places = (kind.__module__.rpartition(".")[0], self._package)
        files = [package_files(place).joinpath(kind.file) for place in places]
        texts = [file.read_text("utf-8") for file in files if file.is_file()]
        found = dict(load_statements(texts, kind.names(), self._wording))
        found |= {name: replace(found[name], news=change) for name, change in kind.news.items()}
        return kind(**found)


class SqlPart:
    """The operations on one noun, each in one transaction."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        self._dialect = dialect
        self._queries = queries
        self._runs = queries.of(RunQueries)

    def _noting(self, queues: Iterable[tuple[str, str]]) -> Step:
        """The statement that notes queues of workflows, in their order: two could deadlock
        otherwise.
        """
        return Step(self._runs.note_queue, rows=sorted(queues))

    async def _write(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.write([Step(statement, statement.bind(**values))])
        return rows

    async def _read(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._dialect.read([Step(statement, statement.bind(**values))])
        return rows


@lru_cache(maxsize=8)
def load_queries(package: str, wording: Wording) -> Queries:
    """The statements of a dialect. Cached, since loading takes two fifths of the time of opening a
    file.
    """
    return Queries(package, wording)


def pair(first: str, second: str | None) -> str:
    """Two texts as one item of an array parameter."""
    return json.dumps([first, second])


def of_act(act: ActRow) -> dict[str, object]:
    """The values of an act that is not about a run, by the parameter names of statements."""
    return {
        "act_id": act.id,
        "act_workflow": act.workflow,
        "act_kind": act.kind,
        "asked_by": act.asked_by,
        "act_reason": act.reason,
        "acted_at": act.created_at,
    }


def acted(rows: Iterable[Row]) -> dict[str, Acted]:
    """The statuses of runs after an act, from the answer of the statement ``acted``."""
    return {run_id: Acted(status, bool(changed)) for run_id, status, changed in rows}

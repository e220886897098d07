"""The part of the store contract that is about runs that follow others, in plain Python."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.follow_ups.records import FOLLOW_UPS, FollowUpRow
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.store.batch import Batch
from cloaca_core.values.definition_rows import DefinitionName, WhenEndedRow
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.queue_names import DEFAULT_QUEUE


class MemoryFollowUps:
    """Part of ``MemoryStore``, which has the runs, and knows the newest definitions."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.newest: dict[str, DefinitionName] = {}
        self.when_ended: dict[tuple[str, str, int, str], WhenEndedRow] = {}
        self.followed: dict[tuple[str, int, int], FollowUpRow] = {}

    def insert(self, run: NewRun) -> str:
        """Insert a run unless it is there or its key is taken; the id of who has the key."""
        raise NotImplementedError

    def follow_ends(self, batch: Batch, current: Collection[str]) -> None:
        """Insert what follows the ends that a batch has written."""
        for new in batch.of(FOLLOW_UPS):
            run = self.runs.get(new.run_id)
            if run is None or new.run_id not in current or run.ended_at is None:
                continue
            if run.status == new.status:
                self._follow(run, new.id, new.place, new.submits, new.content)

    def follow_recorded(self, run_id: str) -> None:
        """Insert what the newest recorded version asks for, after a run has ended."""
        run = self.runs[run_id]
        newest = self.newest.get(run.workflow)
        for _, rule in sorted(self.when_ended.items()):
            of_newest = newest is not None and rule.version == newest.version
            if of_newest and (rule.workflow, rule.status) == (run.workflow, run.status):
                assert run.ended_at is not None
                new_id = _id_of(run.ended_at, len(self.followed))
                self._follow(run, new_id, rule.place, rule.submits, rule.content)

    def _follow(self, run: RunRow, new_id: str, place: int, submits: str, content: str) -> None:
        assert run.ended_at is not None
        key = (run.id, run.round, place)
        if key in self.followed:
            return
        its_end = encode({"run_id": run.id, "status": run.status, "error": run.error_message})
        version = self.newest[submits].version if submits in self.newest else ""
        self.followed[key] = FollowUpRow(new_id, submits, run.id, run.round, run.ended_at)
        self.insert(
            NewRun(
                id=new_id,
                workflow=submits,
                version=version,
                input=f"{content[:-1]},{its_end[1:]}",
                tags="{}",
                idempotency_key=None,
                parent_id=None,
                owner=None,
                created_at=run.ended_at,
                queue=self.newest[submits].queue if submits in self.newest else DEFAULT_QUEUE,
            )
        )

    async def follow_ups(self, run_ids: Collection[str]) -> list[FollowUpRow]:
        rows = sorted(self.followed.values())
        return [row for row in rows if row.id in run_ids or row.follows in run_ids]


def _id_of(instant: int, number: int) -> str:
    """A UUIDv7 of an instant in µs."""
    text = f"{instant // 1000:012x}"
    return f"{text[:8]}-{text[8:]}-7{number % 4096:03x}-8000-{number:012x}"

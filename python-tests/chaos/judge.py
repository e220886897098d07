"""Judges a world that has come to its end, by its ledger, by what callers were told, by what the
observer has seen, and by the rows: each promise with what was looked at and what was broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, NamedTuple

from process import trees
from process.limited_runs import check_nothing_is_left, too_many

if TYPE_CHECKING:
    from chaos.world import World

    from process.fleet import Entry

SECOND = 1_000_000
ONCE = frozenset({"a", "b", "d", "l", "far", "last"})
"""Bodies that never leave as they wait: one owner begins an attempt of each once."""


class Judgement(NamedTuple):
    """A promise: what was looked at, how many, and what was against it."""

    promise: str
    looked_at: str
    number: int
    broken: list[str]


def judge(world: World) -> list[Judgement]:
    """Look at all of it; ``world`` has settled and its members have ended."""
    fleet = world.fleet
    ledger = fleet.ledger()
    runs = {
        run_id: (status, name)
        for run_id, status, name in fleet.query("SELECT id, status, workflow FROM cloaca_run")
    }
    found = [
        _accepted_runs(world, runs),
        _messages(world, runs),
        _results(world, runs, ledger),
        _bodies(ledger),
        _overlaps(world, ledger),
        _ticks(world),
        _recoveries(world, ledger),
        _limits(world, ledger),
        _answers(world),
    ]
    if world.power_cuts:
        found.append(Judgement("P7", "power cuts: file and log", world.power_cuts, []))
    names = {each.promise: each for each in found}
    for text in world.broken:
        promise = text.partition(":")[0]
        names.get(promise, found[0]).broken.append(text)
    return found


def _accepted_runs(world: World, runs: dict[str, tuple[str, str]]) -> Judgement:
    told = {each["run"] for each in world.answers("submit") if "run" in each}
    lost = [each for each in told if each not in runs and each not in world.endings]
    ends = {"Completed", "Failed", "Cancelled"}
    broken = [f"the accepted run {each} is not there" for each in lost]
    broken += [f"run {each} is {runs[each][0]}" for each in runs if runs[each][0] not in ends]
    by_key: dict[tuple[str, str], set[str]] = {}
    for each in world.answers("submit"):
        if each.get("key"):
            by_key.setdefault((each["workflow"], each["key"]), set()).add(each["run"])
    for key, ids in by_key.items():
        if len([each for each in ids if each in runs]) > 1:
            broken.append(f"the key {key} has the runs {ids}")
    return Judgement("P1", "runs that were accepted", len(told), broken)


def _messages(world: World, runs: dict[str, tuple[str, str]]) -> Judgement:
    """An accepted message has one row as long as its run has one."""
    sent = {(a["run"], a["key"]) for a in world.answers("send") if a.get("changed")}
    there = Counter(
        world.fleet.query("SELECT run_id, dedupe_key FROM cloaca_message WHERE name = 'mail'")
    )
    lost = [each for each in sent if each[0] in runs and not there[each]]
    broken = [f"the message {each} is lost" for each in lost]
    broken += [f"the message {each} has {n} rows" for each, n in there.items() if n > 1]
    return Judgement("P1", "messages that were accepted", len(sent), broken)


def _results(world: World, runs: dict[str, tuple[str, str]], ledger: Sequence[Entry]) -> Judgement:
    """What was seen to end has stayed as it was; recorded successes were executed by the owner that
    recorded them; whole trees are whole. A tree that a prune is still deleting is left out.
    """
    broken: list[str] = []
    again = {entry.run_id for entry in ledger if entry.task_id == "!retry"}
    executed = {(e.run_id, e.task_id, e.attempt, e.epoch) for e in ledger}
    for run_id, task, attempt, epoch in world.fleet.query(
        "SELECT run_id, task_id, attempt, epoch FROM cloaca_attempt"
        " WHERE status = 'Completed' AND item < 0"
    ):
        if task in ONCE and (run_id, task, attempt, epoch) not in executed:
            broken.append(f"{task} of {run_id} was recorded by an owner that has not executed it")
    gone = {root for (root,) in world.fleet.query("SELECT root_id FROM cloaca_tombstone")}
    for run_id, (status, name) in runs.items():
        whole = status == "Completed" and name.endswith("::tree") and run_id not in gone
        if whole and not _steered(world, run_id, again):
            try:
                trees.is_whole(world.fleet, run_id)
            except AssertionError as error:
                failed = extract_tb(error.__traceback__)[-1].line
                broken.append(f"the tree {run_id} is not whole: {failed} {error}")
    return Judgement("P2", "ends that were seen, and compared", len(world.endings), broken)


def _steered(world: World, root: str, again: set[str]) -> bool:
    """Whether a run of this tree was begun again or cancelled by itself: it has more, or less."""
    return any(
        run_id in again or status != "Completed"
        for run_id, _, status in trees.runs_of(world.fleet, root)
    )


def _bodies(ledger: Sequence[Entry]) -> Judgement:
    begun = Counter((e.run_id, e.task_id, e.attempt, e.epoch) for e in ledger if e.task_id in ONCE)
    broken = [f"{each} was begun {n} times by one owner" for each, n in begun.items() if n > 1]
    return Judgement("P3", "bodies that were begun", sum(begun.values()), broken)


def _overlaps(world: World, ledger: Sequence[Entry]) -> Judgement:
    """No body is under way twice, but beside one of a process that has met a fault."""
    broken, looked = [], 0
    under_way: dict[tuple[str, str], Entry] = {}
    for number, entry in enumerate(ledger):
        if entry.task_id[0] not in "+-":
            continue
        key = entry.run_id, entry.task_id[1:]
        if entry.task_id[0] == "-":
            if (before := under_way.get(key)) is not None and before.pid == entry.pid:
                del under_way[key]
            continue
        looked += 1
        before = under_way.get(key)
        if before is not None and before.epoch != entry.epoch:
            gone = world.left_out.get(before.pid)
            if gone is None or gone > number:
                broken.append(f"{entry} begins beside {before}")
        under_way[key] = entry
    return Judgement("P3", "bodies that were compared, one at a time", looked, broken)


def _ticks(world: World) -> Judgement:
    ticks = world.fleet.query("SELECT tick, run_id FROM cloaca_tick ORDER BY tick")
    ((pruned,),) = world.fleet.query("SELECT coalesce(pruned_until, 0) FROM cloaca_schedule")
    times = [tick for tick, _ in ticks if tick > pruned]
    ids = [run_id for _, run_id in ticks if run_id is not None]
    broken = []
    if times and times != list(range(times[0], times[-1] + 1, SECOND)):
        gaps = [b for a, b in pairwise(times) if b - a != SECOND]
        broken.append(f"ticks are missing before {gaps[:5]}")
    if len(set(ids)) != len(ids):
        broken.append("two ticks have one run")
    return Judgement("P4", "ticks of a schedule, each with one run", len(ticks), broken)


def _recoveries(world: World, ledger: Sequence[Entry]) -> Judgement:
    """All has ended (P1), with nothing left of what was under way."""
    waits = trees.waits_of_ended(world.fleet)
    broken = [f"ended runs wait: {waits[:3]}"] if waits else []
    takeovers = len({(e.run_id, e.epoch) for e in ledger}) - len({e.run_id for e in ledger})
    return Judgement("P5", "times that a run was taken up again", takeovers, broken)


def _limits(world: World, ledger: Sequence[Entry]) -> Judgement:
    left_out = dict(world.left_out)
    for number, entry in enumerate(ledger):
        if entry.task_id == "!cancel":
            left_out.setdefault(entry.run_id, number)
    broken = too_many(ledger, left_out)[:1]
    try:
        check_nothing_is_left(world.fleet)
    except AssertionError as error:
        broken.append(f"places are left: {error}")
    return Judgement("limits", "looks at the places of limits", world.samples, broken)


def _answers(world: World) -> Judgement:
    """Callers get an answer or a documented refusal; no life has broken a rule."""
    answers = world.answers()
    broken = [f"a caller's {each['ask']}: {each['broken']}" for each in answers if "broken" in each]
    rules = world.fleet.ledger_path.with_name("ledger.broken")
    if rules.exists():
        broken += rules.read_text(encoding="utf-8").splitlines()
    return Judgement("P8", "calls, each answered or refused as documented", len(answers), broken)


# -- faults and what came of them ------------------------------------------------------------------


class Outcome(NamedTuple):
    """What came of the faults of one kind."""

    name: str
    times: int
    refused: int
    usual: float
    worst: float


def outcomes(world: World) -> list[Outcome]:
    """For each kind: how often, the calls that were refused while it lasted, and how long after its
    end the next call was answered, in seconds.
    """
    answers = sorted(world.answers(), key=lambda each: float(each["at"]))
    good = [float(each["at"]) for each in answers if "refused" not in each]
    bad: list[Any] = [each for each in answers if _is_of_a_fault(each.get("refused"))]
    found = []
    for name in dict.fromkeys(each.name for each in world.happened):
        mine = [each for each in world.happened if each.name == name]
        refused = sum(
            any(each.at <= answer["at"] <= each.until + 1 for each in mine) for answer in bad
        )
        waits = [next((at - each.until for at in good if at > each.until), 0.0) for each in mine]
        found.append(Outcome(name, len(mine), refused, median(waits), max(waits)))
    return found


def _is_of_a_fault(refusal: str | None) -> bool:
    """Whether it was not the state of a run that refused."""
    return refusal is not None and refusal.startswith(("Store", "RunnerClosed"))

"""Questions before an act, as pages: the plan of a retry or a fork, and a cancel.

A script shows the same in a dialog: it asks for the content of ``#plan-body`` alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from cloaca_core.errors import CloacaError, RunnerClosedError, StoreError, TaskNotFoundError
from cloaca_core.features.reruns.operations import PlanFork, PlanRetry
from cloaca_core.values.wording import counted
from cloaca_tools.ui.forms import edited_input
from cloaca_tools.ui.forms.fork_input import Typed, typed_input, with_inputs
from cloaca_tools.ui.forms.form_texts import given_to
from cloaca_tools.ui.pages.pane import selected
from cloaca_tools.ui.refusals import RefusedError, refusal_of
from cloaca_tools.ui.runs import plan_rows
from cloaca_tools.ui.runs.allowed_acts import allowed_acts
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.ui.words.texts import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.features.reruns.results import Plan
    from cloaca_tools.views.lists.listing import RunLine
    from cloaca_tools.views.run.graph import Graph
    from cloaca_tools.views.run.tree import RunTree

DIALOG: Final = "plan-body"
INBOX: Final = "inbox"
_PLAN: Final = "run/rerun_body.html"
_CHANGE: Final = "fork-change"
_BY_RULE: Final = ("trigger_rule", "rejected")
_DRAWN: Final = 100
"""Tasks that are drawn beside a plan at most."""


async def retry(visit: Visit) -> Response:
    """The plan of a retry: of what failed, or of the tasks of the address."""
    return await retry_page(visit, visit.request.query_params.getlist("task"))


async def fork(visit: Visit) -> Response:
    """The plan of a fork, from the task of the address on."""
    return await fork_page(visit, visit.query("task"))


async def cancel(visit: Visit) -> Response:
    """Ask before a run is cancelled, from its page or (``from=inbox``) from the inbox."""
    visit.must_act()
    tree = await visit.site.observer.tree(visit.request.path_params["run_id"], depth=1)
    run, why = tree.run, allowed_acts(tree.run, visit.clock).cancel
    refusal = RefusedError(409, "This run cannot be cancelled", f"{why}.") if why else None
    from_inbox = visit.query("from") == INBOX
    return await question(
        visit,
        run,
        "run/cancel_body.html",
        back=visit.paths.page(INBOX) if from_inbox else "",
        from_inbox=from_inbox,
        heading=f"Cancel {run.workflow_name}?",
        lede="",
        refusal=refusal,
        lines=_told(run),
        children=_unended(tree),
    )


async def form(visit: Visit) -> Response:
    """The address of a form that stands in the pane: there, unless such a page is open."""
    if visit.wants == "page":
        return Response(status_code=204)
    run_id = await visit.site.observer.resolve(visit.request.path_params["run_id"])
    return visit.back_to(visit.paths.run(run_id, task=visit.query("task")))


async def retry_page(
    visit: Visit, tasks: Sequence[str], filled: Mapping[str, str] | None = None
) -> Response:
    """The plan of a retry of these tasks, or (none) of what failed."""
    visit.must_act()
    tree = await _tree(visit)
    try:
        plan = await visit.site.do(PlanRetry(tree.run.id, tasks or None))
    except (RunnerClosedError, StoreError):
        raise
    except CloacaError as error:
        return await _refused(visit, tree.run, "retry", refusal_of(error))
    lede = f"opens round {tree.run.round + 1} of the same run"
    return await _plan(visit, tree, "retry", plan, tasks, lede, filled or {})


async def fork_page(
    visit: Visit, task: str, filled: Mapping[str, str] | None = None, error: str = ""
) -> Response:
    """The plan of a fork from a task on, by default from the one that is selected, with its input
    to be edited. ``error`` says why the edited one was refused.
    """
    visit.must_act()
    tree = await _tree(visit)
    wanted = task or selected(tree)
    if not wanted:
        refusal = RefusedError(409, "There is nothing to fork from", "This run has no task yet.")
        return await _refused(visit, tree.run, "fork", refusal)
    try:
        plan = await visit.site.do(PlanFork(tree.run.id, wanted))
    except (RunnerClosedError, StoreError):
        raise
    except CloacaError as error:
        return await _refused(visit, tree.run, "fork", refusal_of(error))
    lede = "makes a new run, which begins with the results that are kept"
    box = await _box(visit, tree.run.id, wanted, filled or {})
    box = replace(box, error=error or box.error)
    return await _plan(visit, tree, "fork", plan, [wanted], lede, filled or {}, box)


async def fork_change(visit: Visit) -> Response:
    """What a form changes in the input of a task, before it is sent: as part of its box, or with
    the plan of the task that it names now.
    """
    texts = await given_to(visit)
    if visit.wants != _CHANGE:
        return await fork_page(visit, texts.get("task", ""), texts)
    run_id = await visit.site.observer.resolve(visit.request.path_params["run_id"])
    base = texts.get("base", "")
    box, task = await _box(visit, run_id, base, texts), texts.get("task", "") or base
    words = plan_rows.words_of("fork", run_id)
    return await visit.page("run/fork_change.html", box=box, words=words, last_words=(task,))


async def input_of(visit: Visit, run_id: str, task: str) -> Mapping[str, Any] | None:
    """The input of the latest attempt of a task; None where it has none, or it is not known."""
    try:
        return (await visit.site.observer.changes(run_id, task)).input
    except TaskNotFoundError:
        return None


async def _box(
    visit: Visit, run_id: str, task: str, filled: Mapping[str, str]
) -> edited_input.InputBox:
    """The input of a task, with what was edited in it, or in the input of another task before."""
    given, redact = await input_of(visit, run_id, task), visit.site.redact
    typed = await visit.on_thread(typed_input, filled)
    base = filled.get("base", "") or (task if typed.text else "")
    edits: Mapping[str, Any] = {}
    if base:
        before = given if base == task else await input_of(visit, run_id, base)
        old = edited_input.InputBox(base, typed.text, before is not None)
        old = await visit.on_thread(edited_input.edited, old, before, redact)
        old = await visit.on_thread(with_inputs, old, typed)
        if base == task or old.error:
            return old
        edits = old.edits.elsewhere(before or {}, given or {})
    box = await visit.on_thread(edited_input.box, task, given, redact, edits)
    return await visit.on_thread(with_inputs, box, Typed(way=typed.way))


async def question(
    visit: Visit,
    run: RunLine,
    body: str,
    *,
    back: str = "",
    refusal: RefusedError | None = None,
    **facts: Any,
) -> Response:
    """A question as a page, or as the content of the dialog; ``back`` is where it was asked for,
    the page of the run by default. A page that is open stays as it is: what was typed into it is
    not to go when something changes.
    """
    if visit.wants == "page":
        return Response(status_code=204)
    template = body if visit.wants == DIALOG else "run/plan.html"
    status = 200 if refusal is None else refusal.status
    back = back or visit.paths.run(run.id)
    return await visit.page(
        template, status, run=run, body=body, back=back, refusal=refusal, **facts
    )


async def _plan(
    visit: Visit,
    tree: RunTree,
    act: plan_rows.Act,
    plan: Plan,
    chosen: Sequence[str],
    lede: str,
    filled: Mapping[str, str],
    box: edited_input.InputBox | None = None,
) -> Response:
    run = tree.run
    statuses = {each.task_id: each.status for each in tree.tasks}
    everything = visit.query("all") == "1"
    by_rule = {each.task_id for each in tree.tasks if each.skip_code in _BY_RULE}
    above = {each.task_id: each.depends_on for each in tree.tasks}
    rows = plan_rows.shown(
        act, plan, statuses, run.id, chosen, everything=everything, by_rule=by_rule, above=above
    )
    return await question(
        visit,
        run,
        _PLAN,
        heading=f"{act.capitalize()} {run.workflow_name}",
        lede=lede,
        act=act,
        plan=rows,
        all_address=_all(visit, run.id, act, () if rows.by_default else rows.chosen),
        reason=filled.get("reason", ""),
        box=box,
        graph=await _graph(visit, tree),
        of_items=_of_items(tree),
    )


_FAILED: Final = " failed"


def _items(number: float) -> str:
    return counted(int(number), "item")


def _of_items(tree: RunTree) -> dict[str, str]:
    """How many items of each map failed, in words: what a retry of it begins with."""
    told = {
        each.task_id: each.progress
        for each in tree.tasks
        if each.is_map and each.status == "Failed" and each.progress is not None
    }
    return {
        task: f"{progress.text.removesuffix(_FAILED)} of {_items(progress.total)}{_FAILED}"
        for task, progress in told.items()
        if progress.text and progress.total
    }


async def _graph(visit: Visit, tree: RunTree) -> Graph | None:
    """The graph beside a plan, unless it is too large to be read there."""
    if not 1 < len(tree.tasks) <= _DRAWN:
        return None
    return await visit.site.observer.graph(tree.run.id)


def _all(visit: Visit, run_id: str, act: str, chosen: Sequence[str]) -> str:
    """The address of the same plan with all rows."""
    return visit.paths.run(run_id, f"/{act}", all=1, task=list(chosen))


async def _refused(visit: Visit, run: RunLine, act: str, refusal: RefusedError) -> Response:
    """Why there is no plan."""
    done = "retried" if act == "retry" else "forked"
    why = str(refusal) if not refusal.help else refusal.help
    refusal = RefusedError(refusal.status, f"This run cannot be {done}", sentence(why))
    return await question(
        visit,
        run,
        _PLAN,
        heading=f"{act.capitalize()} {run.workflow_name}",
        lede="",
        act=act,
        refusal=refusal,
        may_fork=act == "retry" and run.status == "Completed",
    )


async def _tree(visit: Visit) -> RunTree:
    return await visit.site.observer.tree(visit.request.path_params["run_id"], depth=0)


def _told(run: RunLine) -> list[str]:
    """The effect of a cancel on a run in this state."""
    if run.status in ("Pending", "Waiting", "Paused"):
        return ["It ends as Cancelled at once. What its tasks have done is kept."]
    return [
        "Nothing more of it starts. Bodies that run now are asked to stop.",
        "What its tasks have done is kept, and a retry goes on from there.",
    ]


def _unended(tree: RunTree) -> int:
    """The child runs that have not ended."""
    children = [*tree.children, *[child for each in tree.tasks for child in each.children]]
    children += [before for child in children for before in child.earlier]
    return sum(child.run.ended_at is None for child in children)


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/runs/{run_id}/retry", retry),
    ("GET", "/runs/{run_id}/fork", fork),
    ("GET", "/runs/{run_id}/fork/change", fork),
    ("POST", "/runs/{run_id}/fork/change", fork_change),
    ("GET", "/runs/{run_id}/cancel", cancel),
    ("GET", "/runs/{run_id}/approve", form),
    ("GET", "/runs/{run_id}/send", form),
)

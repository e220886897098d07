"""Turns a user's arguments about runs into checked requests and filters for the engine.

Refuses bad input by the name of the parameter, before anything is submitted. Reads the registry and
the config; knows neither the engine nor a store.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from cloaca_core.definition.context import ContextLike, input_text, items_of
from cloaca_core.definition.registry import Unregistered
from cloaca_core.definition.submission import NO_OPTIONS, StartOptions, Submissions
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.submit.start import AT_ONCE, checked_start
from cloaca_core.errors import (
    ConfigError,
    ConfigTypeError,
    ContextError,
    DefinitionError,
    DefinitionTypeError,
    RunNotFoundError,
    WorkflowNotFoundError,
)
from cloaca_core.run.rows import RunFilter
from cloaca_core.values.arguments import shown_number
from cloaca_core.values.error_prefixes import EXECUTION
from cloaca_core.values.ids import first_id_of, is_run_id
from cloaca_core.values.payloads.json_values import JsonValue, encode
from cloaca_core.values.states import RunStatus
from cloaca_core.values.text import checked_text, is_storable
from cloaca_core.values.times.given import checked_instant
from cloaca_core.values.times.time_limits import read_time_limit, stored_limit

if TYPE_CHECKING:
    from datetime import datetime

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.inputs.declared import Input
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.order import Order
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.engine.submit.start import Start
    from cloaca_core.values.option_names import FailedPolicyName
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

RUNS_PER_COMMIT: Final = 10_000
"""The number of runs that ``submit_many`` writes at a time; heartbeats are written in between."""

_Inputs: TypeAlias = tuple[list[str], list[dict[str, JsonValue]]]
"""Inputs as they are stored, and the first of them decoded."""


_SKEW: Final = 86_400_000_000
"""A day, in µs: the most by which a run's ``created_at`` may differ from the time in its id, as
clocks may have been set.
"""


class Selection(NamedTuple):
    """The runs that a call is about, as its caller gave them; None for any."""

    status: str | Iterable[str] | None = None
    workflow_name: str | None = None
    tags: Mapping[str, str] | None = None
    since: datetime | str | None = None
    until: datetime | str | None = None
    parent_id: str | None = None
    error: str | None = None


class Requests:
    """Makes requests for one runner. Any thread may call it. With ``by_name`` it accepts names that
    are not registered, as the engine can find the records of such workflows.
    """

    def __init__(
        self, registry: Registry, config: DefaultRunnerConfig, *, by_name: bool = False
    ) -> None:
        self._registry = registry
        self._most_decoded = config.max_active_runs
        self._max_bytes = config.max_context_bytes
        self._by_name = by_name

    def request(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        time_limit: Duration | NoLimit | None = None,
        start: StartOptions = NO_OPTIONS,
        failed_policy: FailedPolicyName = "keep",
        by_name: bool = False,
    ) -> Request:
        """A checked request; with ``by_name``, also for a name that is not registered."""
        workflow = self._workflow(workflow_name, by_name=by_name)
        asked = AT_ONCE if start is NO_OPTIONS else checked_start(start)
        limit = None if time_limit is None else checked_time_limit(time_limit)
        inputs = self._inputs(workflow.input, ((None, context) for context in contexts))
        key = None if idempotency_key is None else checked_text("idempotency_key", idempotency_key)
        request = _request(workflow, inputs, tags, limit, asked, key)
        if failed_policy == "keep":
            return request
        return replace(request, retry=_order_for_failed(failed_policy, key))

    def many(self, asked: Submissions) -> Iterator[Request]:
        """Requests of up to ``RUNS_PER_COMMIT`` runs each.

        A sequence that needs several requests is checked to its end before the first is returned.
        The path of a refused context begins with its index: ``contexts[3].price``.
        """
        workflow, contexts = self._workflow(asked.workflow_name), asked.contexts
        _refuse_single(contexts)
        _checked_tags(asked.tags)
        limit = checked_time_limit(asked.time_limit)
        start = checked_start(asked.start)
        if isinstance(contexts, Sequence) and len(contexts) > RUNS_PER_COMMIT:
            self._check(workflow.input, contexts)
        remaining = enumerate(contexts)
        while chunk := list(islice(remaining, RUNS_PER_COMMIT)):
            inputs = self._inputs(workflow.input, chunk)
            yield _request(workflow, inputs, asked.tags, limit, start, first=chunk[0][0])

    def unregistered(self, name: str) -> Unregistered | None:
        """The name if its record must be looked up; None for a registered workflow."""
        workflow = self._workflow(name)
        return workflow if isinstance(workflow, Unregistered) else None

    def _workflow(self, name: str, *, by_name: bool = False) -> Workflow | Unregistered:
        try:
            return self._registry.find(name)
        except WorkflowNotFoundError as error:
            if self._by_name or by_name:
                return Unregistered(name, f"{EXECUTION}Workflow not found in registry: {name}")
            message = f"{EXECUTION}{error}"
            raise WorkflowNotFoundError(message, name=name) from None

    def _inputs(
        self, declared: Input | None, contexts: Iterable[tuple[int | None, ContextLike]]
    ) -> _Inputs:
        """Returns the inputs as they are stored, and the first of them as data as well.

        No more than ``max_active_runs`` can begin at once; the others are read from the table
        later. Contexts come with their index, or None for a single one. They stay as they are
        given: defaults of the ``declared`` input are filled in where a run begins.
        """
        texts: list[str] = []
        data: list[dict[str, JsonValue]] = []
        most = self._most_decoded
        for index, context in contexts:
            try:
                items = items_of(context)
                if declared is not None:
                    declared.check(items)
                texts.append(input_text(items, self._max_bytes))
            except ContextError as error:
                raise _placed(error, index) from None
            if len(data) < most:
                data.append(items)
        return texts, data

    def _check(self, declared: Input | None, contexts: Iterable[ContextLike]) -> None:
        """Refuse the contexts that ``request`` would refuse, and keep nothing."""
        for index, context in enumerate(contexts):
            try:
                items = items_of(context)
                if declared is not None:
                    declared.check(items)
                input_text(items, self._max_bytes)
            except ContextError as error:
                raise _placed(error, index) from None

    def run_filter(
        self,
        selection: Selection,
        limit: int = sys.maxsize,
        before: str | None = None,
    ) -> RunFilter:
        """A checked filter for a listing. Runs outside of ``since`` and ``until`` are skipped by
        their ids, which contain the time of their submission.
        """
        limit = checked_limit(limit)
        name, parent_id, error = selection.workflow_name, selection.parent_id, selection.error
        since = None if selection.since is None else checked_instant("since", selection.since)
        until = None if selection.until is None else checked_instant("until", selection.until)
        mark = None if before is None else checked_mark(before)
        return RunFilter(
            statuses=_checked_statuses(selection.status),
            workflow=None if name is None else self._registry.full_name(name),
            tags=tuple(_checked_tags(selection.tags).items()),
            before=mark if until is None else _lower(mark, first_id_of(until + _SKEW)),
            limit=limit,
            after=None if since is None else first_id_of(since - _SKEW),
            since=since,
            until=until,
            parent_id=None if parent_id is None else checked_text("parent_id", parent_id),
            error=None if error is None else checked_text("error", error),
        )


def _request(
    workflow: Workflow | Unregistered,
    inputs: _Inputs,
    tags: Mapping[str, str] | None,
    time_limit: int | None,
    start: Start,
    key: str | None = None,
    first: int | None = None,
) -> Request:
    from cloaca_core.engine.submit.request import Request  # a program may only look

    texts, data = inputs
    caller = calling_work()
    return Request(
        workflow=workflow,
        texts=texts,
        data=data,
        tags=tags_json(tags),
        idempotency_key=key,
        parent=None if caller is None else caller.attempt,
        time_limit=time_limit,
        start=start,
        first=first,
    )


def numbered(request: Request) -> Request:
    """The request as it is sent. A run that a body submits without a key gets a key by default. If
    the process dies and the body is run again, it finds the run that it had submitted. A further
    attempt finds it too, unless that run failed: then it submits another one.

    Called once, when a request is sent, since it counts the calls of a body: refused requests take
    no number.
    """
    caller = calling_work()
    if caller is None or request.idempotency_key is not None:
        return request
    key, *further_keys = caller.child_keys()
    return replace(request, idempotency_key=key, further_keys=further_keys)


def keyed_child(request: Request, key: str | None) -> Request:
    """The request of a child run as it is sent, by the body that waits for it: a body that runs
    again finds the child by the key that it gives, or by the number of the call and the child's
    input. Called once, as ``numbered``.
    """
    from cloaca_core.values.child_kinds import call_with_input, call_with_key  # few bodies have any
    from cloaca_core.values.payloads.digests import digest_of

    caller = calling_work()
    assert caller is not None, "only the handle of a body starts child runs"
    attempt = caller.attempt
    if key is not None:
        call = call_with_key(key)
    else:
        call = call_with_input(attempt.next_call(), digest_of(request.data[0]))
    first, *further_keys = attempt.keys_of(call)
    return replace(request, idempotency_key=first, further_keys=further_keys)


def _placed(error: ContextError, index: int | None) -> ContextError:
    """The error with the index of its context at the head of its path."""
    if index is None:
        return error
    from cloaca_core.definition.inputs.placed import placed  # few contexts are refused

    return placed(error, index)


def checked_time_limit(limit: Duration | NoLimit | None) -> int | None:
    """The time limit as rows hold it."""
    if limit is None:
        return None
    try:
        return stored_limit(read_time_limit("time_limit", limit))
    except DefinitionTypeError as error:
        raise ConfigTypeError(str(error), field="time_limit") from None
    except DefinitionError as error:
        raise ConfigError(str(error), field="time_limit") from None


def _order_for_failed(policy: object, key: str | None) -> Order:
    """The order to restart a run that has the key and has failed."""
    if not isinstance(policy, str):
        raise ConfigTypeError(
            f"failed_policy must be a str, not {type(policy).__name__}", field="failed_policy"
        )
    if policy != "retry":
        raise ConfigError(
            f'failed_policy must be "keep" or "retry", got {policy!r:.80}', field="failed_policy"
        )
    if key is None:
        raise ConfigError(
            'failed_policy="retry" is for a run with an idempotency_key: give one',
            field="failed_policy",
        )
    from cloaca_core.engine.calls.orders import order_of_submission  # few programs steer any

    return order_of_submission()


def checked_limit(limit: object) -> int:
    """Check the largest number of rows to return."""
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise ConfigTypeError(f"limit must be an int, not {type(limit).__name__}", field="limit")
    if not 1 <= limit <= sys.maxsize:
        raise ConfigError(
            f"limit must be 1 to {sys.maxsize}, got {shown_number(limit)}", field="limit"
        )
    return limit


def _lower(mark: str | None, bound: str) -> str:
    return bound if mark is None else min(mark, bound)


def _checked_statuses(status: str | Iterable[str] | None) -> tuple[str, ...]:
    """The requested statuses; none means any."""
    if status is None:
        return ()
    if isinstance(status, str):
        return (_checked_status(status),)
    if isinstance(status, bytes | Mapping) or not isinstance(status, Iterable):
        kind = type(status).__name__
        raise ConfigTypeError(
            f"status must be a state or a list of states, not {kind}", field="status"
        )
    if not (found := tuple([_checked_status(each) for each in status])):
        raise ConfigError("status must name a state, or be None for any", field="status")
    return found


def _checked_status(status: object) -> str:
    if not isinstance(status, str):
        raise ConfigTypeError(f"status must be a str, not {type(status).__name__}", field="status")
    if status not in list(RunStatus):
        raise ConfigError(
            f"status must be one of {', '.join(RunStatus)}, got {status!r:.80}", field="status"
        )
    return RunStatus(status).value


def checked_run_id(run_id: str) -> str:
    """Check an id. Raises the error for an unknown run if no run can have it."""
    if not isinstance(run_id, str):
        raise ConfigTypeError(f"run_id must be a str, not {type(run_id).__name__}", field="run_id")
    if not is_storable(run_id):
        raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
    return run_id


def checked_mark(before: str) -> str:
    """The run id from which a listing continues. The run need not exist any more."""
    if not isinstance(before, str):
        raise ConfigTypeError(f"before must be a str, not {type(before).__name__}", field="before")
    if not is_run_id(before):
        raise ConfigError(f"before must be the id of a run, got {before!r:.100}", field="before")
    return before


def _refuse_single(contexts: Iterable[ContextLike]) -> None:
    """Refuse a single context: it is iterable as well, and is easily given by mistake."""
    if isinstance(contexts, str | bytes | Mapping) or not isinstance(contexts, Iterable):
        raise ConfigTypeError(
            f"contexts must be an iterable of contexts, not {type(contexts).__name__}",
            field="contexts",
        )


def tags_json(tags: Mapping[str, str] | None) -> str:
    """Checked tags as they are stored."""
    if tags is None:
        return "{}"
    return encode(cast("dict[str, JsonValue]", _checked_tags(tags)))


def _checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise ConfigTypeError(f"tags must be a mapping, not {type(tags).__name__}", field="tags")
    return {
        checked_text("a key of tags", key): checked_text(f"tags[{key!r}]", value)
        for key, value in tags.items()
    }

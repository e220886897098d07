"""``export_case``: one run as a document, to be loaded into a test: every failure is a test.

The document is JSON: the run's input and error, and of each task its input, its change, its error
and the values that its steps and waits have kept. ``cloaca.testing.Harness.load`` reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from cloaca_core.engine.calls.call import Call
from cloaca_core.engine.orchestrate.adoption import defaults_of, keys_of, patches_of
from cloaca_core.errors import TransferError
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.run.graph import plan_graph
from cloaca_core.run.restore import change_from_json, restore
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.payloads.json_values import decode, encode
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.times.instants import instant_text
from cloaca_core.views.run_past import messages_of
from cloaca_tools.transfer.masking import Masking
from cloaca_tools.transfer.task_inputs import task_inputs

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client
    from cloaca_core.values.payloads.json_values import JsonValue

SCHEMA: Final = 1
KIND: Final = "cloaca case"


class _Rows(NamedTuple):
    """The rows of a run: the attempt of each task that counts, in definition order."""

    row: RunRow
    attempts: Sequence[AttemptRow]
    inputs: Mapping[str, Mapping[str, Any]]
    memos: Sequence[MemoRow]
    messages: Sequence[MessageRow]


def export_case(client: Client, run_id: str, *, mask: Collection[str] = ()) -> dict[str, Any]:
    """A run as a document that ``json.dump`` can write and ``harness.load`` reads.

    ``mask`` has names of keys whose values are secret, at any depth of inputs, changes,
    memos, messages and tags; ``"*"`` masks every value. A text or a number of at least four
    characters that was masked is also taken out of error messages and tracebacks. Raises
    ``RunNotFoundError`` when there is no such run, and ``TransferError`` when no definition of its
    workflow is known.
    """
    return case_call(client, run_id, mask=mask).wait()


def case_call(
    client: Client | AsyncClient, run_id: str, *, mask: Collection[str] = (), secrets: bool = False
) -> Call[dict[str, Any]]:
    """The same as a call, to be awaited in a program with a loop. With ``secrets`` the values of
    all keys, tags and steps whose name says that they are secret are masked too.
    """
    refuse_other_types("run_id", run_id, str, "a str")
    host = client._host
    return Call(
        lambda: host.read(lambda engine: _read(engine, run_id)),
        lambda found: _document(found, Masking(mask, secrets=secrets), sorted(mask)),
    )


async def _read(engine: Looks, run_id: str) -> _Rows:
    row, attempts = await engine.reader.current_attempts(run_id)
    workflow = await engine.reader.definition(row)
    if workflow is None:
        raise TransferError(
            f"the definition of {row.workflow} that run {run_id} had is not known: export it with "
            "a program that has the workflow"
        )
    graph, store = plan_graph(workflow), engine.store
    latest = restore(graph, attempts).latest
    replacements = await store.replacements([run_id])
    given = {**cast("dict[str, Any]", decode(row.input)), **defaults_of(replacements)}
    inputs = task_inputs(
        graph,
        given,
        latest,
        patches_of(graph, await store.forks([run_id])),
        keys_of(replacements),
    )
    memos = [memo for task in inputs for memo in await store.memos(run_id, task)]
    messages = await messages_of(engine.store, run_id)
    row = row._replace(input=encode(given))
    return _Rows(row, [latest[index] for index in sorted(latest)], inputs, memos, messages)


# -- the document --------------------------------------------------------------------------------


def _document(found: _Rows, masking: Masking, mask: Sequence[str]) -> dict[str, Any]:
    row = found.row
    payload, tags = masking.value(decode(row.input)), masking.value(decode(row.tags))
    tasks = {each.task_id: _task(found, each, masking) for each in found.attempts}
    messages = [_message(each, masking) for each in found.messages]
    # Last, when all values that errors are not to show are known:
    errors = {each.task_id: _error(each, masking) for each in found.attempts}
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "run": {
            "id": row.id,
            "workflow": row.workflow,
            "version": row.version,
            "status": row.status,
            "round": row.round,
            "created_at": instant_text(row.created_at),
            "tags": tags,
            "error": masking.text(row.error_message),
        },
        "input": payload,
        "tasks": {name: task | {"error": errors[name]} for name, task in tasks.items()},
        "messages": messages,
        "masked": list(mask),
    }


def _task(found: _Rows, row: AttemptRow, masking: Masking) -> dict[str, Any]:
    given = found.inputs[row.task_id]
    current = digest_of(cast("JsonValue", given))
    memos = [memo for memo in found.memos if memo.task_id == row.task_id]
    return {
        "status": row.status,
        "attempt": row.attempt,
        "started_at": instant_text(row.started_at),
        "input": masking.value(given),
        "change": None if row.change is None else _change(row.change, masking),
        "memos": [_memo(memo, masking) for memo in memos if memo.input_hash == current],
    }


def _change(text: str, masking: Masking) -> dict[str, Any]:
    """The keys that a task has set and removed; of the latter there are only names."""
    change = change_from_json(text)
    return {"set": masking.value(dict(change.set)), "removed": list(change.removed)}


def _error(row: AttemptRow, masking: Masking) -> dict[str, Any] | None:
    if row.status != TaskStatus.FAILED:
        return None
    return {
        "type": row.error_type,
        "message": masking.text(row.error_message),
        "traceback": masking.text(row.error_traceback),
    }


def _memo(memo: MemoRow, masking: Masking) -> dict[str, Any]:
    """A value that is kept. Only those are exported that count for the input of the attempt."""
    return {
        "kind": memo.kind,
        "name": memo.name,
        "number": memo.number,
        "value": masking.value(decode(memo.value), memo.name),
        "calls": memo.calls,
    }


def _message(message: MessageRow, masking: Masking) -> dict[str, Any]:
    return {
        "kind": message.kind,
        "name": message.name,
        "payload": masking.value(decode(message.payload)),
        "sent_by": message.sent_by,
        "taken_by": message.taken_by,
    }

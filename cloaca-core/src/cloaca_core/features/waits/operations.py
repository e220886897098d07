"""Operations that send messages to runs: events, and people's decisions."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from cloaca_core.engine.calls.arguments import checked_limit, checked_run_id
from cloaca_core.engine.calls.orders import checked_order
from cloaca_core.engine.calls.waiting import raise_if_cancelled
from cloaca_core.errors import ConfigError, ConfigTypeError, ContextValueError
from cloaca_core.features.definitions.names import DefinitionEngine, looked_up, name_to_look_up
from cloaca_core.features.maps.names import checked_ref
from cloaca_core.features.steering.results import Steered
from cloaca_core.features.waits.approvals import OpenApproval, open_approvals
from cloaca_core.features.waits.decisions import Decision
from cloaca_core.store.messages import NewMessage
from cloaca_core.store.outbox import delivered
from cloaca_core.values.payloads.json_values import JsonValue, encode, normalise
from cloaca_core.values.payloads.value_forms import form_of
from cloaca_core.values.text import checked_text
from cloaca_core.values.waits import EVENT

if TYPE_CHECKING:
    from cloaca_core.engine.calls.call import Call, CallerOf, Host
    from cloaca_core.features.maps.names import ItemRef
    from cloaca_core.features.waits.messages import Messages
    from cloaca_core.features.waits.part import WaitStore
    from cloaca_core.features.waits.records import OpenApprovalRow
    from cloaca_core.store.messages import Sent
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.values import option_names
    from cloaca_core.values.ids import RunIds


class WaitEngine(DefinitionEngine, Protocol):
    """The parts of an engine that send messages to runs."""

    @property
    def ids(self) -> RunIds:
        """Makes ids, on any thread."""

    @property
    def store(self) -> WaitStore:
        """The store; each call asks for it."""

    @property
    def messages(self) -> Messages:
        """Sends messages."""

    @property
    def outbox(self) -> Outbox:
        """Writes on the connections of users."""


class Send(NamedTuple):
    """Send an event to a run."""

    run_id: str
    event: str
    payload: object = None
    key: str | None = None
    by: str | None = None
    item: ItemRef | None = None

    def call(self, caller: CallerOf[WaitEngine, object]) -> Call[Steered]:
        """See ``Operation``."""
        message = self._message(caller.host)
        item = None if self.item is None else checked_ref(self.item)
        return caller.act(
            lambda engine: engine.messages.send(_now(engine, message), item), _steered
        )

    def outgoing(self, caller: CallerOf[WaitEngine, object]) -> tuple[Outbox, NewMessage]:
        """The event for its sender to write, and the outbox to write it with."""
        raise_if_cancelled()
        engine, message = caller.host.engine, self._message(caller.host)
        if (item := checked_ref(self.item)) is not None:
            message = _addressed(message, item)
        return engine.outbox, _now(engine, message)

    def _message(self, host: Host[object, object]) -> NewMessage:
        return _event(
            host, checked_run_id(self.run_id), self.event, self.payload, self.key, self.by
        )


class Approve(NamedTuple):
    """Send the decision of an approval that is open."""

    run_id: str
    task_id: str
    choice: str = "approve"
    data: object = None
    note: str | None = None
    by: str | None = None
    item: ItemRef | None = None

    def call(self, caller: CallerOf[WaitEngine, object]) -> Call[Steered]:
        """See ``Operation``."""
        checked, item = checked_run_id(self.run_id), checked_ref(self.item)
        decision = Decision(
            name=checked_text("task_id", self.task_id),
            choice=checked_text("choice", self.choice),
            by=checked_order("approve", None, self.by).asked_by,
            note=None if self.note is None else checked_text("note", self.note),
            data=normalise(_dumped(self.data), "data"),
        )
        _text_of(caller.host, decision.data, "data")
        return caller.act(lambda engine: engine.messages.decide(checked, decision, item), _steered)


class WaitingForPeople(NamedTuple):
    """The open approvals, oldest first."""

    workflow_name: str | None = None
    limit: int = 100

    def call(self, caller: CallerOf[WaitEngine, object]) -> Call[list[OpenApproval]]:
        """See ``Operation``."""
        most, host = checked_limit(self.limit), caller.host
        full_name = name = None
        if self.workflow_name is not None:
            full_name = host.registry.full_name(self.workflow_name)
            name = name_to_look_up(host, self.workflow_name)

        async def answer(engine: WaitEngine) -> list[OpenApprovalRow]:
            workflow = None if full_name is None else await looked_up(engine, name, full_name)
            return await engine.store.open_approvals(most, workflow)

        return caller.act(answer, open_approvals)


def first_message(
    host: Host[WaitEngine, object], send: tuple[str, object], by: str | None
) -> NewMessage:
    """The message that a new run begins with. ``run_id`` is filled in later."""
    event, payload = _pair(send)
    return _now(host.engine, _event(host, "", event, payload, None, by))


def written(message: NewMessage, sent: Sent | None) -> Steered:
    """The answer of an outbox about a message that it wrote."""
    return _steered(delivered(message, sent))


def _event(
    host: Host[object, object],
    run_id: str,
    event: str,
    payload: object,
    key: str | None,
    by: str | None,
) -> NewMessage:
    """A checked message, without its id and time."""
    return NewMessage(
        id="",
        run_id=run_id,
        kind=EVENT,
        name=checked_text("event", event),
        payload=_text_of(host, normalise(payload, "payload"), "payload"),
        dedupe_key=None if key is None else checked_text("key", key),
        sent_by=checked_order("send", None, by).asked_by,
        sent_at=0,
    )


def _addressed(message: NewMessage, item: ItemRef) -> NewMessage:
    """The message for an item that is not looked up: a connection of the user writes it."""
    task, index = item if isinstance(item, tuple) else ("", "")
    if isinstance(index, str) or index < 0:
        raise ConfigError(
            "with connection= an item is a pair of its map and its index: labels are not looked up",
            field="item",
        )
    reason = f"{message.name} for {task}[{index}]"
    return message._replace(for_task=task, for_item=index, reason=reason)


def _text_of(host: Host[object, object], value: JsonValue, name: str) -> str:
    """The value as JSON, unless it is too long."""
    text, most = encode(value), host.config.max_context_bytes
    if (size := len(text.encode())) > most:
        raise ContextValueError(f"{name} is {size} bytes long; max_context_bytes is {most}")
    return text


def _steered(sent: Sent) -> Steered:
    return Steered(cast("option_names.RunStatus", str(sent.status)), sent.changed)


def _now(engine: WaitEngine, message: NewMessage) -> NewMessage:
    """The message with an id and the present time, ready to be sent. Any thread may call it."""
    return message._replace(id=engine.ids.next(), sent_at=engine.store.wall())


def _pair(send: object) -> tuple[str, object]:
    if not isinstance(send, tuple) or len(send) != 2:
        raise ConfigTypeError(
            f"send must be a pair of an event and its payload, got {send!r:.80}", field="send"
        )
    return cast("tuple[str, object]", send)


def _dumped(data: object) -> object:
    """JSON types for a dataclass or a model; any other value unchanged."""
    kind = type(data)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "model_dump"):
        return form_of(kind).dump(data)
    return data

"""``Tool``: what an assistant may call, how its arguments are described, and what it answers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, cast

from cloaca_core.errors import CloacaError
from cloaca_core.logs import SafeLogger
from cloaca_core.values.payloads.json_schema import Schema, mismatch
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_tools.masking import masked
from cloaca_tools.mcp.bounds import Form, bounded
from cloaca_tools.mcp.database import Database

FORMS: Final = 1
"""The version of the forms, which the command line has too."""

logger: SafeLogger = SafeLogger("cloaca.mcp")


@dataclass(frozen=True, slots=True)
class Effect:
    """The hints that a client has of a tool before a call: whether it only looks, whether it ends
    or replaces anything, and whether a second call like the first changes nothing more.
    """

    looks: bool
    destroys: bool = False
    repeats: bool = True


LOOKS: Final = Effect(looks=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """``call`` takes the database, then the arguments by their names; those without a default are
    required. ``arguments`` are their schemas.
    """

    name: str
    title: str
    text: str
    call: Callable[..., Form]
    arguments: Mapping[str, Schema]
    effect: Effect = LOOKS

    def input_schema(self) -> Schema:
        """The JSON schema of all arguments; no others are taken."""
        return {
            "type": "object",
            "properties": dict(self.arguments),
            "required": cast("list[JsonValue]", self.required()),
            "additionalProperties": False,
        }

    def required(self) -> list[str]:
        """The names of the arguments that must be given."""
        parameters = inspect.signature(self.call).parameters
        return [
            name for name in self.arguments if parameters[name].default is inspect.Parameter.empty
        ]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of a call."""

    form: Form


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that came to nothing, and why."""

    text: str


Outcome: TypeAlias = Answered | Refused


def called(tool: Tool, database: Database, arguments: Mapping[str, JsonValue]) -> Outcome:
    """Call a tool. Wrong arguments and errors of cloaca are refusals with their text, any other
    error is logged and one without it. Blocks.
    """
    given = _given(tool, arguments)
    if (wrong := mismatch(tool.input_schema(), given, "arguments")) is not None:
        return Refused(wrong)
    try:
        form = masked({"schema": FORMS, **tool.call(database, **given)}, database.redact)
        return Answered(bounded(form))
    except CloacaError as error:
        return Refused(str(error))
    except Exception as error:
        logger.exception("the tool %s has failed", tool.name)
        return Refused(f"{tool.name} has failed with {type(error).__name__}: see stderr")


def _given(tool: Tool, arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments that have a value: clients send null for an option that is not given."""
    return {
        name: value
        for name, value in arguments.items()
        if value is not None or name in tool.required()
    }


def told(outcome: Outcome) -> str:
    """The text of an outcome, for a client that reads no structured content."""
    match outcome:
        case Answered(form):
            return json.dumps(form, ensure_ascii=False)
        case Refused(text):
            return text
    assert_never(outcome)

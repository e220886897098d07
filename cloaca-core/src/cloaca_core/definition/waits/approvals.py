"""Checks the options of approvals, of nodes and of bodies alike, and writes what people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloaca_core.definition.waits.kinds import Approval
from cloaca_core.definition.waits.options import read_timeout, short_text, storable
from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import text, wrong_type
from cloaca_core.values.missing import Missing
from cloaca_core.values.option_names import RejectPolicyName
from cloaca_core.values.payloads.json_values import JsonValue, encode
from cloaca_core.values.times.durations import Duration


def read_approval(
    prompt: str,
    choices: Sequence[str],
    schema: type | None,
    timeout: Duration | None,
    default: str | Missing,
    reject_policy: RejectPolicyName = "skip",
) -> Approval:
    """The approval of these options, which are checked here, apart from the last."""
    known = _choices(choices)
    return Approval(
        prompt=storable("prompt", prompt),
        choices=known,
        data_type=schema,
        schema=None if schema is None else _schema(schema),
        timeout=read_timeout(timeout, default),
        default=default if isinstance(default, Missing) else _choice(default, known),
        reject_policy=reject_policy,
    )


def detail_of(asked: Approval) -> str:
    """The JSON that people need who answer: of an open wait, without the code."""
    detail: dict[str, JsonValue] = {
        "prompt": asked.prompt,
        "choices": list(asked.choices),
        "schema": None if asked.schema is None else dict(asked.schema),
    }
    if not isinstance(asked.default, Missing):
        detail["default"] = asked.default
    return encode(detail)


def _choices(given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise wrong_type("choices", "a list of str", given)
    choices = tuple([short_text("a choice", each) for each in given])
    if not choices:
        raise DefinitionError("choices must have at least one choice")
    if len(set(choices)) < len(choices):
        raise DefinitionError(f"choices must differ, got {', '.join(choices)}")
    return choices


def _choice(default: object, choices: tuple[str, ...]) -> str:
    if text("default", default) not in choices:
        raise DefinitionError(
            f"default must be one of the choices, {', '.join(choices)}; got {default!a:.80}"
        )
    return str.__str__(default)


def _schema(kind: type) -> Mapping[str, JsonValue]:
    from cloaca_core.definition.waits.json_schema import schema_of  # few approvals ask for data

    return schema_of("schema", kind)

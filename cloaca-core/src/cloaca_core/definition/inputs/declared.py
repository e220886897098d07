"""The input that a workflow declares: made once of a type, it checks and completes any number of
inputs.
"""

from __future__ import annotations

from typing import Any, Final, cast, final

from cloaca_core.definition.inputs.checked import refused
from cloaca_core.definition.inputs.forms import Forms
from cloaca_core.definition.inputs.params import WorkflowParams
from cloaca_core.definition.inputs.schemas import InputSchemas, is_adapted, is_record
from cloaca_core.errors import DefinitionTypeError
from cloaca_core.values.payloads.json_schema import Schema, SchemaCheck
from cloaca_core.values.payloads.json_values import JsonValue, canonical, encode


@final
class Input:
    """The type of a workflow's input. ``schema`` is its JSON schema, ``kind`` the type as the
    program gave it. Equal schemas are equal inputs to the version of the workflow.
    """

    def __init__(self, kind: Any, schema: Schema, forms: Forms) -> None:
        self.kind: Final = kind
        self.schema: Final = schema
        self.text: Final = canonical(schema)
        """The schema as text: one for each schema."""
        self._check = SchemaCheck(schema, formats=True)
        self._form = forms.of(kind)

    def __repr__(self) -> str:
        return f"Input({getattr(self.kind, '__name__', self.kind)})"

    def check(self, items: dict[str, JsonValue]) -> None:
        """Raise ``InputError`` unless a run may begin with these items."""
        self.completed(items)

    def completed(self, items: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """The items with all defaults; ``InputError`` unless a run may begin with them."""
        if (error := refused(self._check, self.schema, items)) is not None:
            raise error
        complete = cast("dict[str, JsonValue]", self._form.complete(items, ""))
        if complete is not items and (error := refused(self._check, self.schema, complete)):
            raise error  # a factory has made another value than its annotation says
        return complete

    def added(self, items: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """The keys, with their values, that differ once all defaults are filled in; ``InputError``
        as in ``completed``.
        """
        complete = self.completed(items)
        return {
            key: value
            for key, value in complete.items()
            if key not in items or encode(items[key]) != encode(value)
        }


def input_of(kind: Any) -> Input:
    """The input of a type; ``DefinitionTypeError`` for a type that cannot be one."""
    if not (is_record(kind) or is_adapted(kind) or isinstance(kind, WorkflowParams)):
        raise DefinitionTypeError(
            "input must be a dataclass, a TypedDict, a pydantic model or workflow_params(...), "
            f"got {kind!r:.80}"
        )
    schemas = InputSchemas(kind)
    schema = schemas.root()
    if schema.get("type") != "object":
        raise DefinitionTypeError(f"input must be a type of objects; {kind.__name__} is none")
    return Input(kind, schema, Forms(schemas, schema))

"""The keys of a declared input, as people read them."""

from __future__ import annotations

from cloaca_core.definition.inputs.declared import input_of
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_tools.views.workflows.inputs import InputKey, input_keys


def test_keys_have_their_types_in_words_and_their_defaults() -> None:
    declared = input_of(
        workflow_params(order_id=int, tags=(list[str], ["a"]), to=(str | None, None))
    )

    assert input_keys(declared.schema) == (
        InputKey("order_id", "an integer", None, True),
        InputKey("tags", "a list", '["a"]', False),
        InputKey("to", "a text or null", "null", False),
    )
    assert input_keys(None) == ()

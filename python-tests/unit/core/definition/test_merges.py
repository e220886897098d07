"""The rules by which a workflow merges keys: refused at the call, counted, recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.fingerprint import fingerprint
from cloaca_core.definition.recorded import RecordedWorkflow, content
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.errors import ContextValueError, DefinitionError, DefinitionTypeError
from cloaca_core.run.graph import plan_graph
from cloaca_core.values.definition_rows import DefinitionRow


def nothing(_: object) -> None:
    """A body that does nothing."""


def built(**rules: Any) -> Workflow:
    builder = WorkflowBuilder("flow", registry=Registry())
    for key, rule in rules.items():
        builder.merge(key, rule)
    with builder:
        task(id="a")(nothing)
    return builder.workflow


@each_row(
    ("key", "rule", "error", "text"),
    [
        ("k", "zz", DefinitionError, 'unknown rule "zz": expected one of append, last, sum, min'),
        ("k", None, DefinitionTypeError, "rule must be a str"),
        (1, "sum", DefinitionTypeError, "key must be a str"),
        ("known", "max", DefinitionError, "key 'known' is merged by sum already"),
        ("a\0", "sum", ContextValueError, "NUL"),
    ],
)
def test_bad_rules_are_refused_at_the_call(
    key: Any, rule: Any, error: type[Exception], text: str
) -> None:
    builder = WorkflowBuilder("flow").merge("known", "sum")

    with pytest.raises(error, match=text):
        builder.merge(key, rule)


def test_rules_count_in_the_version_and_none_leave_it_as_it_was() -> None:
    without, some = built(), built(a="sum", b="min")

    assert some.version != built(a="sum", b="max").version != without.version
    assert some.version == built(b="min", a="sum").version
    assert without.version == fingerprint([without.tasks, "", {}])  # as before there were any


def test_a_record_has_the_rules_and_a_record_without_any_stays_as_it_was() -> None:
    workflow = built(a="sum", b="append")
    names = (workflow.namespace, workflow.version, workflow.name)
    found = RecordedWorkflow.read(DefinitionRow(*names, content(workflow), 1))

    assert dict(found.merges) == {"a": "sum", "b": "append"}
    assert plan_graph(found).merges == plan_graph(workflow).merges == found.merges
    assert "merges" not in json.loads(content(built()))

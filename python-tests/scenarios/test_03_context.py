"""03: what a task reads and writes is a context of its own, and what it returns counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

import cloaca

Body = Callable[[cloaca.Context], object]


def chain(*bodies: Body) -> str:
    """A workflow of these bodies, one after the other."""
    with cloaca.WorkflowBuilder("chain"):
        for index, body in enumerate(bodies):
            before = [f"t{index - 1}"] if index else []
            cloaca.task(id=f"t{index}", dependencies=before, retry_attempts=1)(body)
    return "chain"


@pytest.mark.each_backend
def test_each_task_sees_what_the_one_before_it_wrote(runner: cloaca.DefaultRunner) -> None:
    def increment(context: cloaca.Context) -> None:
        context.set("n", context.get("n", 0) + 1)

    assert runner.execute(chain(*[increment] * 5)).final_context["n"] == 5


def test_a_value_that_was_read_is_a_copy(runner: cloaca.DefaultRunner) -> None:
    def mutate(context: cloaca.Context) -> None:
        context["items"].append(4)
        context.get("nested")["deep"]["x"] = 2
        context.to_dict()["items"].append(5)
        assert context["items"] == [1, 2, 3]

    given = {"items": [1, 2, 3], "nested": {"deep": {"x": 1}}}
    assert runner.execute(chain(mutate), given).final_context.to_dict() == given


def test_a_value_that_was_written_is_a_copy(runner: cloaca.DefaultRunner) -> None:
    def write(context: cloaca.Context) -> None:
        items = [1]
        context.set("items", items)
        items.append(2)

    assert runner.execute(chain(write)).final_context["items"] == [1]


def test_the_callers_input_is_not_touched(runner: cloaca.DefaultRunner) -> None:
    given = cloaca.Context({"items": [1]})
    result = runner.execute(chain(lambda context: {"items": [2]}), given)
    assert given.to_dict() == {"items": [1]}
    result.final_context.set("items", [3])
    assert result.final_context["items"] == [2]


def test_none_keeps_what_the_body_did_to_its_context(runner: cloaca.DefaultRunner) -> None:
    def body(context: cloaca.Context) -> None:
        context["kept"] = True
        context.remove("unwanted")

    final = runner.execute(chain(body), {"unwanted": 1, "other": 2}).final_context
    assert final.to_dict() == {"other": 2, "kept": True}


def test_a_mapping_updates_the_context(runner: cloaca.DefaultRunner) -> None:
    def body(context: cloaca.Context) -> dict[str, Any]:
        context["direct"] = 1
        return {"returned": 2, "given": 3}

    final = runner.execute(chain(body), {"given": 0, "other": 4}).final_context
    assert final.to_dict() == {"given": 3, "other": 4, "direct": 1, "returned": 2}


def test_a_returned_context_is_the_whole_output(runner: cloaca.DefaultRunner) -> None:
    def body(context: cloaca.Context) -> cloaca.Context:
        return cloaca.Context({"only": 1})

    final = runner.execute(chain(body), {"dropped": 1}).final_context
    assert final.to_dict() == {"only": 1}


@each_row("value", [7, "text", [1], True, object(), (("a", 1),)])
def test_any_other_return_value_fails_the_task(runner: cloaca.DefaultRunner, value: object) -> None:
    result = runner.execute(chain(lambda context: value))
    assert result.status == "Failed"
    error = result.task_results["t0"].error
    assert error is not None
    assert f"returned {type(value).__name__}" in error
    for accepted in ("Context", "mapping", "None"):
        assert accepted in error
    assert "TypeError" in error


def test_a_mapping_with_a_value_that_json_lacks_fails_the_task(
    runner: cloaca.DefaultRunner,
) -> None:
    result = runner.execute(chain(lambda context: {"orders": [{"ids": {1, 2}}]}))
    assert result.status == "Failed"
    assert "orders[0].ids" in str(result.error_message)


def test_the_methods_of_a_context_in_a_body(runner: cloaca.DefaultRunner) -> None:
    def body(context: cloaca.Context) -> None:
        context.insert("new", 1)
        with pytest.raises(ValueError, match="Key already exists"):
            context.insert("new", 2)
        context.update("new", 3)
        with pytest.raises(KeyError, match="Key not found"):
            context.update("missing", 3)
        assert context.remove("missing") is None
        assert context.remove("gone") == "old"
        assert context.get("null", "default") is None
        assert context["null"] is None
        assert context.get("missing", "default") == "default"
        with pytest.raises(KeyError):
            context["missing"]
        with pytest.raises(KeyError):
            del context["missing"]
        context.update_from_dict({"many": [1, 2]})
        assert list(context) == ["null", "new", "many"]
        assert "null" in context
        assert len(context) == 3

    result = runner.execute(chain(body), {"gone": "old", "null": None})
    assert result.error_message is None
    assert result.final_context.to_json() == '{"null":null,"new":3,"many":[1,2]}'


def test_json_keeps_order_and_letters() -> None:
    context = cloaca.Context({"ü": "日本", "a": [1, 2.5, None, True]})
    assert context.to_json() == '{"ü":"日本","a":[1,2.5,null,true]}'
    assert cloaca.Context.from_json(context.to_json()) == context
    assert repr(cloaca.Context({"a": 1})) == 'Context({"a":1})'


def test_secrets_need_a_provider(runner: cloaca.DefaultRunner) -> None:
    result = runner.execute(chain(lambda context: {"s": context.secret("token")}))
    assert "secrets backend not configured" in str(result.error_message)
    with pytest.raises(RuntimeError, match="secrets backend not configured"):
        cloaca.Context().secret_field("token", "user")

"""What ``@task(map=...)`` refuses when it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task


def body(context: object, item: object) -> None:
    """The body of a map."""


def define(function: Callable[..., None], **options: Any) -> None:
    """A workflow of this task."""
    with WorkflowBuilder("flow", registry=Registry()):
        task(id="each", **options)(function)


@each_row(
    ("options", "error", "says"),
    [
        ({"map": ""}, ValueError, "map must name a key of the context, got ''"),
        ({"map": ()}, ValueError, "map must name at least one key, got an empty tuple"),
        ({"map": ("a", 1)}, TypeError, "map must be a tuple of str, it has one of int"),
        ({"map": {"a": 1}}, TypeError, "map must be a key of the context, a tuple of keys, or a"),
        ({"map": [object()]}, TypeError, "map="),
        ({"map": [float("nan")]}, ValueError, "map="),
        ({"label": "name"}, ValueError, r"task\(label=...\) needs map, which is not given"),
        ({"max_parallel": 2}, ValueError, r"task\(max_parallel=...\) needs map"),
        ({"map": "a", "label": ""}, ValueError, "label must name a field of the items, got ''"),
        ({"map": "a", "max_parallel": 0}, ValueError, "max_parallel must be at least 1, got 0"),
        ({"map": "a", "max_parallel": True}, TypeError, "max_parallel must be"),
        ({"map": "a", "item_policy": ""}, ValueError, "unknown item_policy"),
        ({"map": "a", "results": "none"}, ValueError, "unknown results"),
    ],
)
def test_options_that_cannot_be_are_refused(
    options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        define(body, **options)


@each_row(
    "function",
    [
        lambda: None,
        lambda item: None,
        lambda handle, item: None,
        lambda context, file: None,
        lambda context, itm=None: None,
        lambda context, /, file, item: None,
    ],
)
def test_a_body_that_would_not_get_its_item_is_refused(function: Callable[..., None]) -> None:
    with pytest.raises(TypeError, match="called with its context, and by name with item"):
        define(function, map="a")


@each_row(
    "function",
    [
        lambda context: None,
        lambda context, item, more=1: None,
        lambda context, *, handle, item: None,
        lambda anything, task_handle: None,
    ],
)
def test_the_parameters_of_a_body_stand_in_any_order(function: Callable[..., None]) -> None:
    define(function, map="a")

"""The figures about the structure of the code count what they say."""

from __future__ import annotations

import ast

from tables import each_row

from dev import measure


def cancelling(body: str) -> measure.Function:
    (function,) = ast.parse(f"async def cancel(self, run_id):\n    {body}").body
    assert isinstance(function, ast.AsyncFunctionDef)
    return function


@each_row(
    ("expected", "body"),
    [
        (True, "return self._calls.cancel(run_id)"),
        (True, '"""Say why."""\n    return await self._host.send(lambda engine: engine.x)'),
        (True, "log.info('so it is')"),
        (False, "return run_id"),
        (False, "check(run_id)\n    return self._calls.cancel(run_id)"),
        (False, "return a(run_id) + 1"),
        (False, "..."),
    ],
)
def test_a_function_forwards_if_its_body_is_one_call(expected: bool, body: str) -> None:
    assert measure.forwards(cancelling(body)) is expected


@each_row(
    ("expected", "body"),
    [
        (True, "return self._calls.cancel(run_id)"),
        (True, '"""Say why."""\n    await self._calls.cancel(run_id, by=self.who, *args)'),
        (False, "return await self._host.send(lambda engine: engine.x)"),
        (False, "log.info('so it is')"),
        (False, "return self._calls.cancel(run_id + 1)"),
        (False, "return self._calls().cancel(run_id)"),
        (False, "return Cancel(run_id)"),
        (False, "return records._Cancel(run_id)"),
        (False, "check(run_id)\n    return self._calls.cancel(run_id)"),
    ],
)
def test_one_that_adds_nothing_only_passes_on(expected: bool, body: str) -> None:
    assert measure.passes_on(cancelling(body)) is expected


def test_the_functions_of_a_facade_can_be_left_out() -> None:
    tree = ast.parse(
        "class Client:\n    def a(self): ...\n"
        "class Engine:\n    def b(self):\n        def c(): ...\n"
    )
    assert [each.name for each in measure.functions(tree)] == ["a", "b", "c"]
    assert [each.name for each in measure.functions(tree, without=["Client"])] == ["b", "c"]


def test_the_way_of_a_call_enters_fewer_files_than_it_moves_between() -> None:
    entered, moves = measure._entered("execute").split(" / ")
    assert 10 < int(entered) < int(moves)

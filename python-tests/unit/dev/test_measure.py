"""The figures about the structure of the code count what they say."""

from __future__ import annotations

import ast

from tables import each_row

from dev import measure


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
    (function,) = ast.parse(f"async def cancel(self, run_id):\n    {body}").body
    assert isinstance(function, ast.AsyncFunctionDef)
    assert measure.forwards(function) is expected


def test_the_way_of_a_call_enters_fewer_files_than_it_moves_between() -> None:
    entered, moves = measure._entered("execute").split(" / ")
    assert 10 < int(entered) < int(moves)

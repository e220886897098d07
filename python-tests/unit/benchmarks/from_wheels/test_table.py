"""The comparison's table: a row for each engine, in few digits."""

from __future__ import annotations

from benchmarks.from_wheels.table import Row, table


def test_what_could_not_be_measured_is_left_out_of_the_table() -> None:
    rows = [
        Row("slow", 139.4, 866.4, (2300.4, None), (1495.7, None)),
        Row("small", 0.84, 89.2, (152.3, 9.96), (1.07, 0.26)),
    ]
    head, _, *lines = table(rows).splitlines()
    assert lines == [
        "| slow | 139 MB | 866 ms | 2300 ms | - | 1496 ms | - |",
        "| small | 0.8 MB | 89 ms | 152 ms | 10.0 ms | 1.1 ms | 0.3 ms |",
    ]
    assert {each.count("|") for each in (head, *lines)} == {8}

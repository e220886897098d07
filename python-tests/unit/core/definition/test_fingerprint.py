"""The fingerprint: what changes it, what does not, and that no process differs from another."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.fingerprint import UNLESS_NONE, _code_digest, fingerprint

SOURCE = Path(__file__).parents[4] / "cloaca-core" / "src"

BODY = '''
def body(context, limit=3, *, names=("a", "b")):
    """A docstring."""
    def inner(item):
        return item in {"x", "y", "z", 1, 2.5}
    class Row:
        """Another docstring."""
        width = 4
        def area(self): self.height = 2; self.depth = 1; return self.width
    try:
        return [inner(n) for n in names if n != limit]
    except ValueError:
        return Row().area()
'''


def function(source: str, filename: str = "<test>") -> Callable[..., object]:
    """The function ``body`` of a source text."""
    namespace: dict[str, Any] = {}
    exec(compile(textwrap.dedent(source), filename, "exec"), namespace)  # noqa: S102 - own text
    body: Callable[..., object] = namespace["body"]
    return body


def changed(old: str, new: str) -> str:
    assert old in BODY
    return BODY.replace(old, new)


class TestWhatChangesIt:
    @each_row(
        ("old", "new"),
        [
            pytest.param("!= limit", "== limit", id="an operator"),
            pytest.param("inner(n)", "print(n)", id="a name that is used"),
            pytest.param("limit=3", "limit=4", id="a default"),
            pytest.param("limit=3", "limit=3.0", id="the type of a default"),
            pytest.param('("a", "b")', '("b", "a")', id="a keyword default"),
            pytest.param("names=", "n=", id="the name of an argument"),
            pytest.param("*, names", "names", id="the kind of an argument"),
            pytest.param("item in", "item not in", id="code inside"),
            pytest.param("2.5}", "2.5, 7}", id="a constant inside"),
            pytest.param("width = 4", "width = 5", id="a constant in a class inside"),
            pytest.param("ValueError", "KeyError", id="what is caught"),
            pytest.param("def body", "async def body", id="that it is async"),
        ],
    )
    def test_a_change_of_the_body_does(self, old: str, new: str) -> None:
        assert fingerprint(function(changed(old, new))) != fingerprint(function(BODY))

    @each_row(
        ("one", "other"),
        [
            (1, True),
            (1, 1.0),
            (0.0, -0.0),
            ("1", 1),
            (b"a", "a"),
            (None, "None"),
            ([1, 2], [2, 1]),
            ([[1], 2], [1, [2]]),
            ({"a": 1}, {"a": 2}),
            ({1}, [1]),
            (ValueError, KeyError),
            (len, max),
            (Decimal("1.0"), Decimal("1.00")),
            (date(2024, 1, 1), date(2024, 1, 2)),
        ],
    )
    def test_values_that_differ_do(self, one: object, other: object) -> None:
        assert fingerprint(one) != fingerprint(other)

    def test_the_body_that_a_decorator_wraps_does(self) -> None:
        def decorated(inner: Callable[..., object]) -> Callable[..., object]:
            @functools.wraps(inner)
            def wrapper(*args: object) -> object:
                return inner(*args)

            return wrapper

        one, other = function(BODY), function(changed("width = 4", "width = 5"))
        assert fingerprint(decorated(one)) != fingerprint(decorated(other))
        assert fingerprint(decorated(one)) == fingerprint(decorated(function(BODY)))

    def test_the_body_behind_a_cache_does(self) -> None:
        cached = functools.lru_cache(lambda: 1), functools.lru_cache(lambda: 2)
        assert fingerprint(cached[0]) != fingerprint(cached[1])

    def test_the_arguments_of_a_partial_do(self) -> None:
        body = function(BODY)
        assert fingerprint(functools.partial(body, limit=1)) != fingerprint(
            functools.partial(body, limit=2)
        )

    def test_the_call_of_a_callable_object_does(self) -> None:
        class One:
            def __call__(self) -> int:
                return 1

        def other_call(self: One) -> int:
            return 2

        one = fingerprint(One())
        One.__call__ = other_call  # type: ignore[method-assign] # another body
        assert fingerprint(One()) != one

    def test_the_function_of_a_method_does(self) -> None:
        class Steps:
            def one(self) -> int:
                return 1

            def two(self) -> int:
                return 2

        assert fingerprint(Steps().one) != fingerprint(Steps().two)
        assert fingerprint(Steps().one) == fingerprint(Steps().one)


class TestWhatDoesNot:
    @each_row(
        ("old", "new"),
        [
            pytest.param('"""A docstring."""', '"""Another text."""', id="the docstring's text"),
            pytest.param('    """A docstring."""\n', "", id="that there is a docstring"),
            pytest.param('        """Another docstring."""\n', "", id="that of a class inside"),
            pytest.param("\ndef body", "\n\n\n# a comment\ndef body", id="the line"),
            pytest.param("    def inner", "\n    # a comment\n    def inner", id="lines inside"),
            pytest.param("    class Row", "\n" * 300 + "    class Row", id="many lines inside"),
            pytest.param('"x", "y", "z"', '"z", "x", "y"', id="the order of a set"),
        ],
    )
    def test_a_change_of_form_does_not(self, old: str, new: str) -> None:
        assert fingerprint(function(changed(old, new))) == fingerprint(function(BODY))

    def test_the_file_does_not(self) -> None:
        assert fingerprint(function(BODY, "a.py")) == fingerprint(function(BODY, "/b/c.py"))

    def test_where_the_source_stands_does_not(self) -> None:
        nested = f"def outer():\n{textwrap.indent(BODY, '    ')}\n    return body\nbody = outer()"
        assert fingerprint(function(nested)) == fingerprint(function(BODY))

    def test_what_it_closes_over_does_not(self) -> None:
        def make(value: object) -> Callable[[], object]:
            return lambda: value

        assert fingerprint(make(1)) == fingerprint(make(object()))

    def test_running_it_until_python_specialises_its_code_does_not(self) -> None:
        body = function(BODY)
        before = fingerprint(body)
        for _ in range(5_000):
            body(None)
        _code_digest.cache_clear()
        assert fingerprint(body) == before

    def test_the_order_of_a_dict_or_a_set_does_not(self) -> None:
        assert fingerprint({"a": 1, "b": {2, 1}}) == fingerprint({"b": {1, 2}, "a": 1})

    def test_an_object_without_readable_value_counts_by_its_type(self) -> None:
        class Opaque:
            pass

        assert fingerprint([Opaque()]) == fingerprint([Opaque()]) != fingerprint([object()])

    def test_an_object_is_not_asked_for_names_that_it_makes_up(self) -> None:
        class Proxy:
            def __getattr__(self, name: str) -> object:
                return self

        assert fingerprint(Proxy()) == fingerprint(Proxy())


class TestValues:
    def test_it_has_16_hex_digits(self) -> None:
        assert re.fullmatch("[0-9a-f]{16}", fingerprint(function(BODY)))

    def test_a_member_of_an_enum_counts_by_name(self) -> None:
        class Colour(Enum):
            RED = 1
            BLUE = 2

        class Word(StrEnum):
            RED = "red"

        assert fingerprint(Colour.RED) == fingerprint(Colour.RED) != fingerprint(Colour.BLUE)
        assert fingerprint(Word.RED) != fingerprint("red")

    def test_a_class_counts_by_its_name_and_what_it_inherits(self) -> None:
        def named(name: str, *bases: type, module: str = "here") -> type:
            return type(name, bases, {"__module__": module})

        assert fingerprint(named("A")) == fingerprint(named("A", module="there"))
        assert fingerprint(named("A")) != fingerprint(named("B"))
        # As with a library that has a ConnectionError, but not the one of Python:
        one, other = named("E", OSError), named("E", named("LibraryError", Exception))
        assert fingerprint(one) != fingerprint(other)

    def test_a_dataclass_counts_by_its_fields(self) -> None:
        @dataclass
        class Point:
            x: int
            seen: set[str]

        assert fingerprint(Point(1, {"a", "b"})) == fingerprint(Point(1, {"b", "a"}))
        assert fingerprint(Point(1, set())) != fingerprint(Point(2, set()))

    def test_a_field_may_count_only_with_a_value(self) -> None:
        @dataclass
        class Options:
            one: int
            later: int | None = field(default=None, metadata=UNLESS_NONE)

        before = dataclasses.make_dataclass("Options", ["one"])
        before.__qualname__ = Options.__qualname__
        assert fingerprint(Options(1)) == fingerprint(before(1))
        assert len({fingerprint(Options(1, value)) for value in (None, 0, 1)}) == 3

    def test_text_that_is_no_valid_unicode_has_a_fingerprint(self) -> None:
        assert fingerprint("\ud800") != fingerprint("\ud801")


@dataclass(eq=False)
class Person:
    """A person who knows others, and is known by them."""

    name: str
    friends: list[Person] = field(default_factory=list)
    known_by: set[Person] = field(default_factory=set)
    boss: Person = field(init=False)

    def meets(self, *others: Person) -> Person:
        """Now he and each of the others know one another."""
        for other in others:
            self.friends.append(other)
            other.known_by.add(self)
        return self


def row(names: str) -> list[Person]:
    """People each of whom knows the next, who knows by whom he is known."""
    people = [Person(name) for name in names]
    for one, other in pairwise(people):
        one.meets(other)
    return people


class TestCircles:
    """Values that hold themselves, directly or through others, have fingerprints as well."""

    def test_a_container_that_holds_itself_counts_by_what_else_it_holds(self) -> None:
        def circle(size: int) -> dict[str, object]:
            made: dict[str, object] = {"size": size}
            made["self"] = [made]
            return made

        assert fingerprint(circle(1)) == fingerprint(circle(1)) != fingerprint(circle(2))

    def test_a_function_may_be_its_own_default(self) -> None:
        def own(again: object = None) -> None: ...
        def other(again: object = None) -> None: ...

        for each in (own, other):
            each.__defaults__ = (each,)
        assert fingerprint(own) == fingerprint(other) != fingerprint(lambda again=None: None)

    def test_the_arguments_of_a_partial_may_hold_each_other(self) -> None:
        def bound(parent: str, child: str) -> object:
            return functools.partial(print, row(parent + child)[0])

        assert fingerprint(bound("a", "b")) == fingerprint(bound("a", "b"))
        assert fingerprint(bound("a", "b")) != fingerprint(bound("a", "c"))

    def test_it_counts_where_one_enters(self) -> None:
        one, other = row("ab")
        other.meets(one)
        assert fingerprint(one) != fingerprint(other)

    @each_row("changed", [4, 50, 95], ids=["near", "in the middle", "at the end that is far"])
    def test_every_part_of_a_large_one_counts(self, changed: int) -> None:
        names = "a" * 100
        different = names[:changed] + "b" + names[changed + 1 :]
        assert fingerprint(row(names)[0]) == fingerprint(row(names)[0])
        assert fingerprint(row(names)[0]) != fingerprint(row(different)[0])

    def test_who_holds_whom_counts(self) -> None:
        assert fingerprint(row("abcd")[0]) != fingerprint(row("acbd")[0])

    def test_what_is_beside_one_counts(self) -> None:
        circle = row("ab")
        one, other = function(BODY), function(changed("!= limit", "== limit"))
        tasks = [("1", one, circle), ("2", other, circle)]
        swapped = [("1", other, circle), ("2", one, circle)]
        assert fingerprint(tasks) != fingerprint(swapped)

    def test_all_who_know_all_are_done_in_no_time(self) -> None:
        people = [Person(name) for name in "abcdefghijklmnopqrst"]
        for one in people:
            one.meets(*people)
        assert re.fullmatch("[0-9a-f]{16}", fingerprint(people))

    def test_a_field_that_is_not_set_counts_as_such(self) -> None:
        one, other = Person("a"), Person("a")
        assert fingerprint(one) == fingerprint(other)
        other.boss = Person("b")
        assert fingerprint(one) != fingerprint(other)


class TestDepth:
    def test_it_may_be_deeper_than_the_stack(self) -> None:
        def nested(innermost: int) -> list[object]:
            made: list[object] = [innermost]
            for _ in range(20 * sys.getrecursionlimit()):
                made = [made]
            return made

        assert fingerprint(nested(1)) == fingerprint(nested(1)) != fingerprint(nested(2))

    def test_what_is_held_often_is_looked_at_once(self) -> None:
        made: list[object] = []
        for _ in range(200):
            made = [made, made]
        assert fingerprint(made) != fingerprint([made])


PROGRAM = """
import dataclasses, decimal, enum
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task

class Mode(enum.Enum):
    FAST = "fast"

class Client:
    pass

class Refused(Exception):
    pass

@dataclasses.dataclass
class Limits:
    names: frozenset = frozenset({"a", "b", "c", "d"})

@dataclasses.dataclass(eq=False)
class Node:
    name: str
    around: set = dataclasses.field(default_factory=set)

nodes = [Node(name) for name in "abcdefg"]
for place, node in enumerate(nodes):
    node.around.update((nodes[place - 1], nodes[place - 3]))

with WorkflowBuilder("w", registry=Registry()).tag("team", "x").tag("area", "y") as builder:
    @task(retry_condition=[ValueError, Refused])
    def first(context, mode=Mode.FAST, client=Client(), limits=Limits(), nodes=set(nodes),
              known={"p", "q", "r"}, price=decimal.Decimal("1.50")):
        '''A docstring.'''
        if context["kind"] in {"alpha", "beta", "gamma", "delta", 1, None, (2, 3)}:
            return {name: len(name) for name in known}
    @task(dependencies=[first], on_failure=lambda task_id, error, context: print({"a", "b"}))
    async def second(context, handle):
        class Report:
            kinds = frozenset({"u", "v", "w"})
            def __init__(self): self.one = self.two = self.three = 1
        return Report.kinds
print(builder.workflow.version)
"""


class TestProcesses:
    def test_every_process_has_the_same_whatever_its_hash_seed_and_folder(
        self, tmp_path: Path
    ) -> None:
        versions = set()
        for seed in ("0", "1", "2", "31337"):
            folder = tmp_path / seed
            folder.mkdir()
            (folder / f"program{seed}.py").write_text("\n" * int(seed[0]) + PROGRAM)
            versions.add(_run(folder, f"program{seed}.py", seed=seed))
        assert len(versions) == 1
        assert re.fullmatch("[0-9a-f]{16}", versions.pop())

    def test_a_program_has_the_same_as_the_module_that_is_imported(self, tmp_path: Path) -> None:
        (tmp_path / "package").mkdir()
        for place in ("program.py", "package/program.py"):
            (tmp_path / place).write_text(PROGRAM)
        versions = {
            _run(tmp_path, "program.py"),
            _run(tmp_path, "-m", "program"),
            _run(tmp_path, "-c", "import program"),
            _run(tmp_path, "package/program.py"),
            _run(tmp_path, "-m", "package.program"),
            _run(tmp_path, "-c", "import package.program"),
        }
        assert len(versions) == 1


def _run(folder: Path, *arguments: str, seed: str = "0") -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    if (SOURCE / "cloaca_core").is_dir():
        environment["PYTHONPATH"] = str(SOURCE)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()

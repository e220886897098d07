"""The tool that breaks rules on purpose: which mutants it takes, and what it says of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import each_row

from dev.console import TaskFailed
from dev.project import ROOT
from dev.testing import mutant_lists, mutants
from dev.testing.mutant_lists import Mutant

SOURCE = "cloaca-core/src/arithmetic.py"
ARITHMETIC = """
def double(n):
    return n * 2

def steps(n):
    while n > 0:
        n -= 1
        yield n
"""
TESTS = "python-tests/test_arithmetic.py"
TEXT = """
import pytest
from arithmetic import double, steps

def test_double():
    assert double(3) == 6

def test_double_of_nothing():
    assert double(0) == 0

def test_steps():
    assert list(steps(2)) == [1, 0]

@pytest.mark.skip
def test_skipped():
    assert False
"""


class Tree:
    """A tiny project, whose lists of mutants the test writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in ((SOURCE, ARITHMETIC), (TESTS, TEXT), ("pytest.ini", "[pytest]\n")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        self.lists = root / "python-tests" / "mutants"
        self.lists.mkdir()

    def add(self, text: str, name: str = "a.toml") -> None:
        with (self.lists / name).open("a") as file:
            file.write(f"{text}\n")

    def break_double(self, new: str, test: str = "test_double", name: str = "a") -> None:
        """A mutant of ``double``."""
        self.add(entry(name=name, new=new, tests=[f"{TESTS}::{test}"]))


def entry(**fields: object) -> str:
    """A table of a list; None leaves a field out."""
    usual: dict[str, object] = {
        "name": "a",
        "file": SOURCE,
        "old": "n * 2",
        "new": "n * 3",
        "tests": [TESTS],
    }
    lines = [f"{key} = {value!r}" for key, value in (usual | fields).items() if value is not None]
    return "\n".join(["[[mutant]]", *lines])


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setattr(mutants, "ROOT", tmp_path / "tree")
    # No test of the tiny project needs a plugin, and to import them takes most of its runs' time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Tree(tmp_path / "tree")


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


# -- what becomes of a mutant --------------------------------------------------------------------


def test_one_that_a_test_notices_is_killed_and_the_tree_is_as_before(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.break_double("n * 3")
    before = files(tree.root)

    mutants.run()

    told = capsys.readouterr().out
    assert "  killed, by test_double: a.toml: a (" in told
    assert told.endswith("\n1 of 1 mutants were killed\n")
    assert files(tree.root) == before


def test_those_that_no_test_notices_are_named_at_the_end(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.break_double("n * 3", "test_double_of_nothing", name="thrice")
    tree.break_double("n * 4", "test_double", name="four times")

    with pytest.raises(TaskFailed, match=r"^1 of 2 mutants survived$"):
        mutants.run()

    _, survivors = capsys.readouterr().out.split("==> survivors\n")
    assert survivors == (
        f"  a.toml: thrice\n    in {SOURCE}, which passes {TESTS}::test_double_of_nothing\n"
    )


def test_one_after_the_other_meets_a_sound_tree(tree: Tree) -> None:
    tree.break_double("n * 3")
    tree.add(entry(name="b", old="n -= 1", new="n -= 2", tests=[f"{TESTS}::test_double"]))

    with pytest.raises(TaskFailed, match=r"^1 of 2 mutants survived$"):
        mutants.run(jobs=1)


def test_one_that_makes_its_tests_hang_is_killed_and_told_as_such(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mutants, "SECONDS", 2.0)
    tree.add(entry(old="n -= 1", new="n -= 0", tests=[f"{TESTS}::test_steps"]))

    mutants.run()

    assert "  killed, its tests hung for 2 s: a.toml: a (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "new"),
    [
        ("killed, pytest ended with exit code 77", "__import__('os')._exit(77)"),
        ("UNCLEAR", "n *"),  # it cannot even be read, so it breaks no rule
    ],
)
def test_other_ends_are_told(
    tree: Tree, capsys: pytest.CaptureFixture[str], told: str, new: str
) -> None:
    tree.break_double(new)
    try:
        mutants.run()
    except TaskFailed:
        assert told == "UNCLEAR"

    assert f"  {told}: a.toml: a (" in capsys.readouterr().out


# -- when nothing is broken ----------------------------------------------------------------------


def test_a_test_that_fails_without_a_mutant_is_told(tree: Tree) -> None:
    tree.add(entry())
    (tree.root / TESTS).write_text(TEXT.replace("== 6", "== 7"))

    with pytest.raises(TaskFailed, match=r"(?s)test_double.*without any mutant the tests do not"):
        mutants.run()


def test_one_that_is_not_there_is_told(tree: Tree) -> None:
    tree.break_double("n * 3", "test_triple")

    with pytest.raises(TaskFailed, match=r"(?s)not found: .*::test_triple"):
        mutants.run()


def test_one_that_is_not_run_is_told(tree: Tree) -> None:
    """It would pass although the code is broken."""
    tree.break_double("n * 3", "test_skipped")

    with pytest.raises(TaskFailed, match=f"^no test was run of:\n  {TESTS}::test_skipped$"):
        mutants.run()


# -- which mutants -------------------------------------------------------------------------------


def test_a_list_is_read_in_its_order(tree: Tree) -> None:
    tree.add(entry(name="z", backend="postgres"), "b.toml")
    tree.add(entry(name="y"), "b.toml")
    tree.add(entry(name="x"))

    found = mutant_lists.read(tree.root)

    assert [(each.list_name, each.name) for each in found] == [
        ("a.toml", "x"),
        ("b.toml", "z"),
        ("b.toml", "y"),
    ]
    assert found[1] == Mutant("b.toml", "z", SOURCE, "n * 2", "n * 3", (TESTS,), "postgres")


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("a.toml, mutant 1: has unknown fields: test", entry(test="x")),
        ("a.toml, mutant 1: 'name' must be a text", entry(name=None)),
        ("a.toml, mutant 1: 'old' must be a text", entry(old=" ")),
        ("a.toml, mutant 1: 'new' must be a text", entry(new=3)),
        ("a.toml, mutant 1: 'tests' must be a list of at least one test", entry(tests=[])),
        ("a.toml, mutant 1: 'tests' must be a list of at least one test", entry(tests=TESTS)),
        ("a.toml, mutant 1: 'backend' must be one of sqlite, postgres", entry(backend="oracle")),
        ("a.toml: 'mutants' stands outside of a [[mutant]]", "[[mutants]]"),
        ("a.toml: write [[mutant]] with two brackets", "[mutant]"),
        ("a.toml: Expected '=' after a key", "[[mutant]]\nname"),
        ("the name 'a' is used 2 times", f"{entry()}\n{entry()}"),
        ("a.toml: a: 'old' and 'new' are the same", entry(new="n * 2")),
        ("a.toml: a: there is no file cloaca/none.py", entry(file="cloaca/none.py")),
        ("a.toml: a: there is no file ../../etc/passwd", entry(file="../../etc/passwd")),
        (f"a.toml: a: 'old' occurs 0 times in {SOURCE}, not once", entry(old="n * 9")),
        (f"a.toml: a: 'old' occurs 2 times in {SOURCE}, not once", entry(old="def ")),
        ("a.toml: a: there is no test file python-tests/x.py", entry(tests=["python-tests/x.py"])),
        (f"a.toml: a: there is no test file {SOURCE}", entry(tests=[SOURCE])),
    ],
)
def test_a_fault_in_a_list_is_named(tree: Tree, told: str, text: str) -> None:
    tree.add(text)

    with pytest.raises(TaskFailed) as caught:
        mutant_lists.read(tree.root)

    assert str(caught.value).splitlines()[0].startswith(told)


@each_row(
    ("expected", "only"),
    [
        (["rounds up", "waits"], None),
        (["rounds up"], "rounds"),  # the name
        (["waits"], "journal"),  # the file
        (["rounds up"], "engine.toml"),  # the list
    ],
)
def test_some_are_chosen_by_a_text(expected: list[str], only: str | None) -> None:
    several = [
        Mutant("engine.toml", "rounds up", "a.py", "x", "y", ("t",)),
        Mutant("dev.toml", "waits", "journal.py", "x", "y", ("t",)),
    ]

    assert [each.name for each in mutant_lists.chosen(several, only)] == expected


def test_a_text_that_is_nowhere_is_told(tree: Tree) -> None:
    tree.add(entry())

    with pytest.raises(TaskFailed, match=r"^no mutant in python-tests/mutants mentions 'nowhere'$"):
        mutants.run("nowhere")


def test_a_number_of_jobs_that_cannot_be_is_told(tree: Tree) -> None:
    with pytest.raises(TaskFailed, match=r"^--jobs must be at least 1, not 0$"):
        mutants.run(jobs=0)


def test_the_lists_of_this_project_fit_its_sources() -> None:
    """A change of a line that a mutant names must change the mutant too."""
    assert mutant_lists.read(ROOT)

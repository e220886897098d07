"""Each name of cloaca 0.12 is here, with its members and its parameters, and the docs say so.

The names were read from the released package by ``inspect``.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

from tables import each_row

import cloaca

TREE = Path(__file__).parents[3]
NAMES: dict[str, dict[str, Any]] = json.loads(
    (TREE / "python-tests/data/names_of_cloaca_0_12.json").read_text(encoding="utf-8")
)
NOT_YET = {"workflow_params", "workflow_secrets"}
OF_INSTANCES = {("ComputationGraphBuilder", "NAME")}
RENAMED = {"_error_type": "error_type"}
"""Parameters that stand in a table of differences."""


def _lacks(thing: object, parameters: list[str] | None) -> list[str]:
    """The parameters that a call does not take by name."""
    if not parameters:
        return []
    taken = inspect.signature(thing).parameters  # type: ignore[arg-type]  # only callables have any
    if any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        return []
    return [each for each in parameters if RENAMED.get(each, each) not in taken]


@each_row("name", sorted(NAMES.keys() - NOT_YET))
def test_a_name_of_0_12_is_here_with_its_members_and_parameters(name: str) -> None:
    thing, theirs = getattr(cloaca, name), NAMES[name]
    members = {each for each in theirs["members"] if (name, each) not in OF_INSTANCES}

    assert _lacks(thing, theirs["parameters"]) == []
    assert [each for each in members if not hasattr(thing, each)] == []
    assert {
        each: lacking
        for each in members
        if (lacking := _lacks(getattr(thing, each), theirs["members"][each]))
    } == {}


def test_the_docs_have_a_row_for_each_name_and_for_no_other() -> None:
    page = (TREE / "docs/coming-from-0x.md").read_text(encoding="utf-8")
    section = page.partition("## Every name of 0.12\n")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(NAMES)

"""Templates use what is there, and all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2 import Environment, nodes

from cloaca_tools.ui.runs.allowed_acts import allowed_acts
from cloaca_tools.ui.templating import HERE, STATIC, compiling, templates
from cloaca_tools.ui.words import texts

CODE = "".join(path.read_text(encoding="utf-8") for path in HERE.rglob("*.py"))
SCRIPTS = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
PAGES = {
    name: (HERE / "templates" / name).read_text(encoding="utf-8")
    for name in templates().list_templates()
}
MADE = re.compile(r"rows-\d+|is-[a-z]+|v-[a-z]+")
"""Classes of which templates write the end as a value."""

WIDEST = 120
"""Letters of a line, so that a diff of a template can be read."""


def parsed() -> Iterator[nodes.Template]:
    environment: Environment = templates()
    for text in PAGES.values():
        yield environment.parse(text)


def test_filters_of_templates_are_known_and_used() -> None:
    used = {node.name for tree in parsed() for node in tree.find_all(nodes.Filter)}
    own = {*texts.FILTERS, allowed_acts.__name__}

    assert used <= set(templates().filters)
    assert own <= used


def test_each_template_is_a_page_or_part_of_one() -> None:
    everything = CODE + "".join(PAGES.values())

    assert [name for name in PAGES if f'"{name}"' not in everything] == []


def test_a_line_of_a_template_can_be_read() -> None:
    lines = [(name, line) for name, text in PAGES.items() for line in text.splitlines()]

    assert sorted({name for name, line in lines if len(line) > WIDEST}) == []


def test_each_macro_is_called() -> None:
    macros = [node.name for tree in parsed() for node in tree.find_all(nodes.Macro)]
    everything = "".join(PAGES.values())

    assert macros
    assert [name for name in macros if len(re.findall(rf"\b{name}\(", everything)) < 2] == []


def test_each_class_that_has_a_style_is_used() -> None:
    styles = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.css"))
    styles = re.sub(r"/\*.*?\*/", "", styles, flags=re.DOTALL)
    used = set(re.findall(r"[\w-]+", "".join(PAGES.values()) + CODE + SCRIPTS))

    classes = set(re.findall(r"\.([a-zA-Z][\w-]*)", styles))
    assert [name for name in sorted(classes - used) if not MADE.fullmatch(name)] == []


def test_all_templates_are_compiled_before_they_are_asked_for() -> None:
    compiling().join()

    found = templates()
    assert found.cache is not None
    assert {name for _, name in found.cache} == set(PAGES)
    assert compiling() is compiling()

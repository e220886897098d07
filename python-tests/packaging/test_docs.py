"""The documentation is whole: what the product has is in the reference, and nothing is made up."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from documents import DOCS, blocks_of, pages, readmes
from tables import each_row

import cloaca
from cloaca import databases
from cloaca_core.config import DefaultRunnerConfig
from cloaca_tools.mcp.looking import LOOKING
from cloaca_tools.mcp.steering import STEERING
from dev.project import ROOT, version

REFERENCE = DOCS / "reference"
_TASK = re.compile(r"(?:python tasks\.py|\binvoke) ([a-z][a-z.-]*[a-z])")


def text_of(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def rows_of(page: str) -> dict[str, list[str]]:
    """The cells of each row of a page's tables, by the first name in its first cell."""
    rows = {}
    for line in text_of(page).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and (name := re.match(r"`([^` ]+)`", cells[0])):
            rows[name[1]] = cells
    return rows


# -- whole ---------------------------------------------------------------------------------------


def test_every_public_name_is_in_the_reference() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    entries = set(re.findall(r"(?m)^::: cloaca\.(\w+)$", text)) | set(rows_of("errors.md"))

    assert sorted(set(cloaca.__all__) - entries - {"__version__"}) == []
    assert sorted(entries & set(dir(cloaca)) - set(cloaca.__all__)) == []
    assert "`__version__`" in text_of("installed.md")


def test_every_name_of_the_other_public_modules_is_in_the_reference() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    entries = set(re.findall(r"(?m)^::: cloaca\.databases\.(\w+)$", text))

    assert sorted(set(databases.__all__) - entries - {"Severity"}) == []
    assert sorted(entries - set(databases.__all__)) == []


def test_every_finding_is_in_the_reference() -> None:
    """The codes stand in the sources as the first argument of ``Finding``."""
    sources = [each for each in ROOT.glob("cloaca-*/src/**/*.py") if "Finding(" in each.read_text()]
    codes = {
        code for each in sources for code in re.findall(r'Finding\(\s*"(\w+)"', each.read_text())
    }

    assert len(codes) > 30
    assert sorted(codes - set(re.findall(r"`(\w+)`", text_of("databases.md")))) == []


def test_every_tool_of_the_protocol_is_in_the_reference_with_its_arguments() -> None:
    rows = rows_of("mcp.md")
    named = {name: re.findall(r"`\[?(\w+)\]?`", cells[1]) for name, cells in rows.items()}

    assert named == {tool.name: list(tool.arguments) for tool in (*LOOKING, *STEERING)}


def test_every_setting_is_in_the_reference_with_its_default() -> None:
    rows = rows_of("configuration.md")
    settings = DefaultRunnerConfig(db_pool_size=10).to_dict()

    assert {name: rows[name][1].strip("`") for name in settings if name in rows} == {
        name: str(value) for name, value in settings.items()
    }


def test_every_exception_is_in_the_catalogue_with_what_else_it_is() -> None:
    rows = rows_of("errors.md")
    wrong = {
        each.__name__: missing
        for each in exceptions()
        if (missing := set(re.findall(r"\w+", rows[each.__name__][1])) - names_of(each))
    }

    assert wrong == {}


def exceptions() -> list[type[BaseException]]:
    values = [getattr(cloaca, name) for name in cloaca.__all__]
    return [one for one in values if isinstance(one, type) and issubclass(one, BaseException)]


def names_of(kind: type) -> set[str]:
    return {each.__name__ for each in kind.__mro__}


def test_every_table_and_view_is_in_the_reference() -> None:
    rows = rows_of("database.md")
    of_sqlite = {"cloaca_listener", "cloaca_payload"}
    for backend, elsewhere in (("sqlite", set()), ("postgres", of_sqlite)):
        folder = ROOT / f"cloaca-{backend}" / "src" / f"cloaca_{backend}" / "migrations"
        sql = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.sql"))
        made = re.findall(r"(?m)^CREATE (?:TABLE|VIEW) (\w+)", sql)

        assert set(made) == set(rows) - elsewhere, backend


def test_every_task_is_in_the_reference() -> None:
    described = set(re.findall(r"`([a-z][a-z.-]*)", "\n".join(first_cells("tasks.md"))))

    assert described == set(tasks())


def test_every_option_of_a_task_is_in_the_reference() -> None:
    cells = "\n".join(first_cells("tasks.md"))
    missing = {
        f"{name} {option}"
        for name, options in options_of_tasks().items()
        for option in options
        if not re.search(rf"`{re.escape(name)} [^`]*\[{option}[ \]]", cells)
    }

    assert missing == set()


def test_what_people_look_for_in_vain_is_a_heading_that_the_search_finds() -> None:
    page = (DOCS / "not-here-yet.md").read_text(encoding="utf-8")
    headings = "\n".join(re.findall(r"(?m)^### (.*)$", page)).lower()
    looked_for = ("dask", "dashboard")

    assert [word for word in looked_for if word not in headings] == []


def first_cells(page: str) -> Iterator[str]:
    return (line.split(" | ")[0] for line in text_of(page).splitlines() if line.startswith("| `"))


def tasks() -> Iterator[str]:
    """The names of all tasks, read from the text: invoke is not installed where the tests run."""
    tree = ast.parse((ROOT / "dev" / "commands.py").read_text(encoding="utf-8"))
    return (name for name, _ in functions_of_tasks(tree))


def functions_of_tasks(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each task's name, and the function that it is in ``dev/commands.py``."""
    named = {
        node.name: _keyword(decorator, "name") or node.name.replace("_", "-")
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Collection":
            prefix = "".join(f"{a.value!s}." for a in call.args if isinstance(a, ast.Constant))
            functions = [a.id for a in call.args if isinstance(a, ast.Name)]
            yield from ((prefix + named[each], each) for each in functions)


def options_of_tasks() -> dict[str, list[str]]:
    """The options of each task, as a person types them."""
    tree = ast.parse((ROOT / "dev" / "commands.py").read_text(encoding="utf-8"))
    by_function = {
        node.name: [_option(argument.arg) for argument in node.args.args[1:]]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    return {name: by_function[function] for name, function in functions_of_tasks(tree)}


def _option(argument: str) -> str:
    return "-k" if argument == "k" else f"--{argument.replace('_', '-')}"


def _keyword(decorator: ast.expr, name: str) -> str | None:
    for keyword in getattr(decorator, "keywords", ()):
        if keyword.arg == name:
            return str(ast.literal_eval(keyword.value))
    return None


def test_every_page_is_in_the_navigation_and_in_the_list_for_machines() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = (DOCS / "llms.txt").read_text(encoding="utf-8")

    names = [page.relative_to(DOCS).as_posix() for page in pages()]
    assert [name for name in names if f"- {name}\n" not in navigation] == []
    assert [name for name in names if f"({name.removesuffix('.md')}.html)" not in listed] == []
    assert listed.count(".html)") == len(names)


# -- nothing made up -----------------------------------------------------------------------------


@each_row("page", [*pages(), *readmes(), ROOT / "CHANGELOG.md"])
def test_no_page_has_what_a_merge_has_left(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"(?m)^(?:<{7}|[|]{7}|={7}|>{7})(?: .*)?$", text) == []


@each_row("page", [*pages(), *readmes()])
def test_every_task_that_a_page_names_exists(page: Path) -> None:
    named = set(_TASK.findall(page.read_text(encoding="utf-8")))

    assert named - set(tasks()) == set()


@each_row("page", pages())
def test_every_version_that_a_page_pins_is_this_one(page: Path) -> None:
    pins = re.findall(r'"cloaca[a-z\[\]-]*==([^"]+)"', page.read_text(encoding="utf-8"))

    assert [pin for pin in pins if pin != version()] == []


@each_row("page", pages())
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """Paths in code spans that begin with a folder of the repository."""
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir())
    named = re.findall(rf"`((?:{folders})/[\w./*-]*)`", page.read_text(encoding="utf-8"))

    assert [name for name in named if not is_there(name)] == []


def is_there(name: str) -> bool:
    return any(ROOT.glob(name.rstrip("/"))) or name.split("/")[0] in ("dist", "site")


@each_row("page", pages())
def test_every_settings_file_that_a_page_shows_can_be_read(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "toml":
            tomllib.loads(block.code)

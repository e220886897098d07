"""The README tells the truth: its commands exist, its pins are ours, its links lead somewhere."""

from __future__ import annotations

import re

from tables import each_row

from dev.project import DOOR, ROOT, installed_first, version

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/decisions/index.md",
    "examples/README.md",
    "examples/cars/README.md",
    "examples/nightly/README.md",
    "examples/service/README.md",
)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_the_first_screen_names_the_demo_and_the_tests() -> None:
    screen = text_of("README.md").splitlines()[:24]

    for command in ("python tasks.py demo", "python tasks.py test"):
        assert any(line.strip().startswith(command) for line in screen)


def test_the_first_screen_says_that_the_index_has_another_cloaca() -> None:
    screen = "\n".join(text_of("README.md").splitlines()[:24])

    assert "`pip install cloaca` gives another project's package" in screen
    assert "(#installing)" in screen


@each_row("page", PAGES)
def test_every_task_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"(?:python tasks\.py|`invoke) ([a-z][a-z.-]*[a-z])", text_of(page)))
    defined = (ROOT / "dev" / "commands.py").read_text(encoding="utf-8")

    assert [name for name in named if not is_task(name, defined)] == []


def is_task(name: str, defined: str) -> bool:
    """Read from the text: what runs tasks is not installed where the tests run."""
    collection, _, task = name.rpartition(".")
    function = f"\ndef {task.replace('-', '_')}("
    return f'"{collection}' in defined and (f'name="{task}"' in defined or function in defined)


@each_row("page", ["README.md", "docs/index.md"])
def test_the_lines_to_install_pin_this_version_and_its_requirements(page: str) -> None:
    text = text_of(page)

    assert f'"cloaca[sqlite]=={version()}"' in text
    requirements = " ".join(f'"{each}"' for each in installed_first(DOOR))
    assert f"pip install {requirements}" in text


@each_row("page", PAGES)
def test_every_link_into_the_repository_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", text_of(page))

    folder = (ROOT / page).parent
    assert [link for link in links if not (folder / link).exists()] == []

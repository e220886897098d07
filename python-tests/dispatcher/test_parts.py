"""What an installation has without the tools or the test kit, and what it says to install.

Each test has a virtual environment with some of the built wheels.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dev.console import environment
from dev.environments.sandbox import Sandbox
from dev.packaging.foreign_wheel import ForeignWheel
from dev.project import CORE, DOOR, SQLITE, TESTING, TOOLS, Distribution, version

HERE = version()
NEEDS_TOOLS = "needs the package cloaca_tools: pip install"
RUN = """
import cloaca
with cloaca.WorkflowBuilder("w"):
    @cloaca.task
    def step(context):
        context["done"] = True
with cloaca.DefaultRunner(":memory:") as runner:
    print(runner.execute("w").final_context["done"])
"""
TRIED = """
try:
    {code}
except ImportError as error:
    print(type(error).__name__, error)
else:
    print("done")
"""


def made(folder: Path, *parts: Distribution) -> Sandbox:
    """An environment with the door, the core, SQLite and these parts, by their own names."""
    box = Sandbox(folder / "environment").create()
    ours = (DOOR, CORE, SQLITE, *parts)
    third_party = [name for each in ours for name in each.third_party]
    box.install(*(f"{each.name}=={HERE}" for each in ours), third_party=third_party)
    return box


def printed(box: Sandbox, code: str) -> str:
    done = box.run(code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tried(box: Sandbox, code: str) -> str:
    """The error that a program meets, or ``done``."""
    return printed(box, TRIED.format(code=code))


def command(box: Sandbox, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*words, "--version"],
        cwd=box.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def script(box: Sandbox) -> Path:
    return box.python.with_name("cloaca")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Neither tools nor test kit."""
    return made(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def with_tools(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return made(tmp_path_factory.mktemp("tools"), TOOLS)


@pytest.fixture(scope="module")
def with_kit(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return made(tmp_path_factory.mktemp("kit"), TESTING)


def test_without_them_workflows_run(bare: Sandbox) -> None:
    assert printed(bare, RUN) == "True"


def test_without_them_all_of_the_door_can_be_imported(bare: Sandbox) -> None:
    star = "from cloaca import *; print(callable(ui), callable(export_case), callable(Visitor))"
    assert printed(bare, star) == "True True True"
    assert printed(bare, "import cloaca, pydoc; print(len(pydoc.render_doc(cloaca)) > 0)") == "True"


@pytest.mark.parametrize(
    ("code", "feature", "extra"),
    [
        ("import cloaca; cloaca.ui(None, auth=None)", "cloaca.ui", "ui"),
        ("import cloaca; cloaca.Visitor('view', 'ann')", "cloaca.Visitor", "ui"),
        ("import cloaca; cloaca.export_case(None, 'a')", "cloaca.export_case", "cli"),
        ("import cloaca; cloaca.Observer(None)", "cloaca.Observer", "cli"),
        ("import cloaca.databases", "cloaca.databases", "cli"),
    ],
)
def test_without_the_tools_their_use_says_what_to_install(
    bare: Sandbox, with_kit: Sandbox, code: str, feature: str, extra: str
) -> None:
    told = f'MissingExtraError {feature} {NEEDS_TOOLS} "cloaca[{extra}]=={HERE}"'
    assert [tried(box, code) for box in (bare, with_kit)] == [told, told]


def test_without_the_tools_the_command_says_what_to_install(bare: Sandbox) -> None:
    told = f'Error: The command line {NEEDS_TOOLS} "cloaca[cli]=={HERE}"\n'
    for words in ([script(bare)], [bare.python, "-m", "cloaca"]):
        done = command(bare, *words)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_with_the_tools_both_commands_are_there(with_tools: Sandbox) -> None:
    for words in ([script(with_tools)], [with_tools.python, "-m", "cloaca"]):
        done = command(with_tools, *words)
        assert (done.returncode, done.stdout) == (0, f"cloaca, version {HERE}\n")
    assert tried(with_tools, "import cloaca.databases") == "done"


KIT = [
    ("import cloaca.testing", "cloaca.testing"),
    ("import cloaca.testing.pytest_plugin", "cloaca.testing"),
    ("import cloaca_core.conformance", "cloaca_core.conformance"),
]


@pytest.mark.parametrize(("code", "feature"), KIT)
def test_without_the_test_kit_its_import_says_what_to_install(
    bare: Sandbox, with_tools: Sandbox, code: str, feature: str
) -> None:
    told = (
        f"MissingExtraError {feature} needs the package cloaca_testing: "
        f'pip install "cloaca[testing]=={HERE}"'
    )
    assert [tried(box, code) for box in (bare, with_tools)] == [told, told]


def test_with_the_test_kit_workflows_are_tested_without_pytest(with_kit: Sandbox) -> None:
    code = (
        "import cloaca\n"
        "from cloaca.testing import harness\n"
        "with cloaca.WorkflowBuilder('w'):\n"
        "    @cloaca.task\n"
        "    def step(context):\n"
        "        context['done'] = True\n"
        "with harness() as kit:\n"
        "    print(kit.run('w').context)\n"
    )
    assert printed(with_kit, code) == "{'done': True}"
    missing = "ModuleNotFoundError No module named 'pytest'"
    assert [tried(with_kit, code) for code, _ in KIT] == ["done", missing, missing]


def test_parts_of_another_version_are_named_with_both_versions(tmp_path: Path) -> None:
    """The import of the other version would fail; the version must be what is complained about."""
    box = made(tmp_path)
    for package in (TOOLS.package, TESTING.package):
        other = ForeignWheel(
            name=package.replace("_", "-"),
            version="0.9.0",
            sources={
                f"{package}/__init__.py": "import not_in_this_core",
                f"{package}/_version.py": "__version__ = '0.9.0'",
            },
        )
        box.install(f"{other.name}==0.9.0", folder=other.write(tmp_path / "other").parent)

    mismatch = f"Version mismatch detected! cloaca-core is {HERE}, "
    for code in ("import cloaca.databases", "import cloaca; cloaca.ui(None)"):
        assert mismatch + "cloaca_tools is 0.9.0." in tried(box, code)
    for code, _ in KIT:
        assert mismatch + "cloaca_testing is 0.9.0." in tried(box, code)
    done = command(box, script(box))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {mismatch}cloaca_tools is 0.9.0.")

"""Which backend a program gets, in every state that its installation can be in.

Each test has a virtual environment with the built wheels; backends that must misbehave are
wheels written for the purpose.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from dev.environments.sandbox import Sandbox
from dev.packaging.foreign_wheel import ForeignWheel, backend_wheel
from dev.project import CORE, DOOR, POSTGRES, SQLITE, Distribution, version

HERE = version()
INSTALL_SQLITE = f'pip install "cloaca[sqlite]=={HERE}"'
INSTALL_POSTGRES = f'pip install "cloaca[postgres]=={HERE}"'


class Installation:
    """One environment and the questions that a program in it could ask."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box

    def ask(self, expression: str, **variables: str) -> object:
        """The value of an expression; a ``BackendError`` is given as [class, message]."""
        done = self.box.run(_QUESTION.format(expression=expression), **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        answer: object = json.loads(done.stdout)
        return answer

    def error(self, expression: str, **variables: str) -> tuple[str, str]:
        """The class and the message of the error that an expression raises."""
        answer = self.ask(expression, **variables)
        assert isinstance(answer, list), f"no error, but {answer!r}"
        kind, message = answer
        return kind, message

    def installed(self) -> dict[str, tuple[str | None, bool, str]]:
        """The answer of ``available_backends()``: name to version, usable, reason."""
        answer = self.ask(
            "{b.name: (b.version, b.usable, b.reason or '') for b in cloaca.available_backends()}"
        )
        assert isinstance(answer, dict)
        return {name: tuple(facts) for name, facts in answer.items()}


_QUESTION = """
import json
import cloaca
from cloaca_core.store.backends import backend_for

try:
    answer = {expression}
except cloaca.BackendError as error:
    answer = [type(error).__name__, str(error)]
print(json.dumps(answer))
"""


Install = Callable[..., Installation]


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Makes an installation of our distributions, the door included, and of foreign wheels.

    Each is an environment that its test may change: a copy of the first one of these distributions,
    whose modules are compiled by then. To install, and to compile, takes several times as long.
    """

    @cache
    def first(ours: tuple[Distribution, ...]) -> Path:
        box = Sandbox(tmp_path_factory.mktemp("first") / "environment").create()
        third_party = [name for each in (CORE, *ours) for name in each.third_party]
        box.install(*(f"{each.name}=={HERE}" for each in (DOOR, *ours)), third_party=third_party)
        Installation(box).installed()
        return box.folder

    def make(*ours: Distribution, foreign: tuple[ForeignWheel, ...] = ()) -> Installation:
        folder = tmp_path_factory.mktemp("installation")
        box = Sandbox(folder / "environment")
        shutil.copytree(first(ours), box.folder, symlinks=True)
        for wheel in foreign:
            path = wheel.write(folder / "foreign")
            box.install(f"{wheel.name}=={wheel.version}", folder=path.parent)
        return Installation(box)

    return make


# -- one usable backend --------------------------------------------------------------------------

each_backend = pytest.mark.parametrize(
    ("ours", "module"),
    [(SQLITE, "cloaca_sqlite"), (POSTGRES, "cloaca_postgres")],
    ids=("sqlite", "postgres"),
)


@pytest.fixture(scope="module")
def alone(install: Install) -> Callable[[Distribution], Installation]:
    """An installation of one backend, the same for every test of it."""
    return cache(install)


@pytest.fixture(scope="module")
def sqlite_only(alone: Callable[[Distribution], Installation]) -> Installation:
    return alone(SQLITE)


@each_backend
def test_the_one_usable_backend_is_named(
    alone: Callable[[Distribution], Installation], ours: Distribution, module: str
) -> None:
    asked = alone(ours).ask("[cloaca.__backend__, cloaca.get_backend()]")
    assert asked == [ours.backend, ours.backend]


@each_backend
def test_it_is_listed_with_its_version(
    alone: Callable[[Distribution], Installation], ours: Distribution, module: str
) -> None:
    assert alone(ours).installed() == {ours.backend: (HERE, True, "")}


@each_backend
def test_importing_cloaca_does_not_import_the_backend(
    alone: Callable[[Distribution], Installation], ours: Distribution, module: str
) -> None:
    assert alone(ours).ask(f"{module!r} in __import__('sys').modules") is False


def test_a_backend_that_is_not_installed_is_named_with_its_pinned_command(
    sqlite_only: Installation,
) -> None:
    kind, message = sqlite_only.error("backend_for('postgresql://localhost/work').name")
    assert kind == "BackendNotFoundError"
    assert "postgres backend is not installed" in message
    assert INSTALL_POSTGRES in message


def test_without_the_engine_import_says_what_to_install(install: Install) -> None:
    box = install(SQLITE).box
    box.remove(CORE.name)
    first = box.run("import cloaca")
    last = first.stderr.partition("ImportError: ")[2]
    assert "cloaca-core is not installed" in last
    assert f'\n    pip install "cloaca-core=={HERE}"\n' in last
    assert f'\n    pip install --no-index --find-links dist "cloaca-core=={HERE}"\n' in last
    assert "Error:" not in last  # it is the last word

    # A folder that outlives its package, as one with a stray file does, is no engine either.
    asked = box.run("import sysconfig; print(sysconfig.get_path('purelib'))")
    (Path(asked.stdout.strip()) / "cloaca_core").mkdir(exist_ok=True)
    assert box.run("import cloaca").stderr == first.stderr


def test_a_scheme_that_nobody_opens_is_refused_without_echoing_the_url(
    sqlite_only: Installation,
) -> None:
    kind, message = sqlite_only.error("backend_for('mysql://u:secret@localhost/work').name")
    assert kind == "BackendNotFoundError"
    assert "'mysql'" in message
    assert "secret" not in message


# -- none ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def no_backend(install: Install) -> Installation:
    return install()


def test_without_a_backend_import_works_and_nothing_is_chosen(no_backend: Installation) -> None:
    assert no_backend.ask("[cloaca.__backend__, cloaca.hello_world()]") == [
        None,
        "Hello from Cloaca backend!",
    ]
    assert no_backend.installed() == {}


@pytest.mark.parametrize(
    "question", ["cloaca.get_backend()", "backend_for('sqlite://work.db').name"]
)
def test_without_a_backend_the_two_exact_commands_are_said(
    no_backend: Installation, question: str
) -> None:
    kind, message = no_backend.error(question)
    assert kind == "BackendNotFoundError"
    assert message.startswith("No Cloaca backend available. Install one:")
    assert INSTALL_SQLITE in message
    assert INSTALL_POSTGRES in message


def test_forcing_a_backend_that_is_not_installed_says_so(no_backend: Installation) -> None:
    kind, message = no_backend.error("cloaca.get_backend()", CLOACA_BACKEND="sqlite")
    assert kind == "BackendNotFoundError"
    assert INSTALL_SQLITE in message


# -- tenants without PostgreSQL ------------------------------------------------------------------

TENANTS = ("DatabaseAdmin", "SqliteTenants", "TenantConfig", "TenantCredentials", "TenantInfo")
ADMIN = "repr(cloaca.DatabaseAdmin('postgresql://me:s3cret@localhost/work'))"
WITH_SCHEMA = "cloaca.DefaultRunner.with_schema('postgresql://me:s3cret@localhost/work', 'a')"


@pytest.mark.parametrize("question", [ADMIN, WITH_SCHEMA])
@pytest.mark.parametrize("there", ["no_backend", "sqlite_only"])
def test_tenants_are_exported_always_and_say_what_to_install(
    request: pytest.FixtureRequest, there: str, question: str
) -> None:
    installation: Installation = request.getfixturevalue(there)
    assert installation.ask(f"all(hasattr(cloaca, name) for name in {TENANTS})") is True
    kind, message = installation.error(question)
    assert kind == "BackendNotFoundError"
    assert INSTALL_POSTGRES in message
    assert "s3cret" not in message


def test_a_tenant_is_named_and_kept_in_a_file_without_any_server(sqlite_only: Installation) -> None:
    made = "cloaca.TenantConfig('acme', 'acme_role').schema_name"
    assert sqlite_only.ask(f"[{made}, cloaca.SqliteTenants('.').list()]") == ["acme", []]


# -- several -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_usable(install: Install) -> Installation:
    return install(SQLITE, POSTGRES)


def test_two_usable_backends_leave_the_choice_open(two_usable: Installation) -> None:
    assert two_usable.ask("cloaca.__backend__") is None
    kind, message = two_usable.error("cloaca.get_backend()")
    assert kind == "AmbiguousBackendError"
    assert message.startswith("Multiple backends installed: postgres, sqlite")
    assert "CLOACA_BACKEND" in message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite://work.db", "sqlite"),
        (":memory:", "sqlite"),
        ("postgresql://localhost/work", "postgres"),
        ("postgres://localhost/work", "postgres"),
    ],
)
def test_the_scheme_of_the_url_decides(two_usable: Installation, url: str, expected: str) -> None:
    assert two_usable.ask(f"backend_for({url!r}).name") == expected


@pytest.mark.parametrize("forced", ["postgres", "sqlite", " SQLite "])
def test_a_forced_backend_is_the_one(two_usable: Installation, forced: str) -> None:
    expected = forced.strip().lower()
    answer = two_usable.ask("[cloaca.__backend__, cloaca.get_backend()]", CLOACA_BACKEND=forced)
    assert answer == [expected, expected]


def test_a_url_of_another_scheme_than_the_forced_one_is_refused(two_usable: Installation) -> None:
    kind, message = two_usable.error(
        "backend_for('sqlite://work.db').name", CLOACA_BACKEND="postgres"
    )
    assert kind == "BackendForcedError"
    assert "forces the backend 'postgres'" in message
    assert "'sqlite'" in message


def test_a_forced_name_that_is_no_backend_is_refused(two_usable: Installation) -> None:
    kind, message = two_usable.error("cloaca.get_backend()", CLOACA_BACKEND="oracle")
    assert kind == "BackendNotFoundError"
    assert "'oracle'" in message
    assert "postgres, sqlite" in message


TWO_AT_ONCE = """
import json, os, threading
import cloaca

# Neither body goes on before the other one is there too.
meet = threading.Barrier(2, timeout=60)
with cloaca.WorkflowBuilder("meeting"):
    @cloaca.task
    def arrive(context):
        meet.wait()
        context["arrived"] = True

with (
    cloaca.DefaultRunner("sqlite://work.db") as here,
    cloaca.DefaultRunner(os.environ["POSTGRES"]) as there,
):
    handles = [runner.submit("meeting") for runner in (here, there)]
    contexts = [handle.result(60).final_context.to_dict() for handle in handles]
    listed = [[run.id for run in runner.list_runs()] for runner in (here, there)]
    own = [[handle.id] for handle in handles]
    print(json.dumps([contexts, listed == own, [repr(here), repr(there)]]))
"""


def test_runners_on_two_backends_work_at_once_in_one_process(
    two_usable: Installation, postgres_url: str
) -> None:
    done = two_usable.box.run(TWO_AT_ONCE, POSTGRES=postgres_url)

    assert (done.returncode, done.stderr) == (0, "")
    contexts, only_their_own, shown = json.loads(done.stdout)
    assert contexts == [{"arrived": True}] * 2
    assert only_their_own
    assert [text.partition(",")[0] for text in shown] == [
        "DefaultRunner(sqlite",
        "DefaultRunner(postgres",
    ]


# -- another version -----------------------------------------------------------------------------


URLS = {"sqlite": "sqlite://work.db", "postgres": "postgresql://localhost/work"}
INSTALLS = {"sqlite": INSTALL_SQLITE, "postgres": INSTALL_POSTGRES}


@pytest.fixture(scope="module", params=list(URLS))
def mismatched(request: pytest.FixtureRequest, install: Install) -> tuple[str, Installation]:
    """Its import would fail against this core; the version must be what is complained about."""
    name: str = request.param
    other = backend_wheel(name, wheel_version="0.9.0", before="import not_in_this_core")
    return name, install(foreign=(other,))


def test_a_backend_of_another_version_is_named_with_both_versions(
    mismatched: tuple[str, Installation],
) -> None:
    name, installation = mismatched
    for question in ("cloaca.get_backend()", f"backend_for({URLS[name]!r}).name"):
        kind, message = installation.error(question)
        assert kind == "BackendVersionError"
        assert message.startswith("Version mismatch detected!")
        assert HERE in message
        assert "0.9.0" in message
        assert INSTALLS[name] in message


def test_a_backend_of_another_version_is_listed_as_unusable(
    mismatched: tuple[str, Installation],
) -> None:
    name, installation = mismatched
    version_found, usable, reason = installation.installed()[name]
    assert (version_found, usable) == ("0.9.0", False)
    assert "Version mismatch" in reason
    assert installation.ask("cloaca.__backend__") is None


def test_a_backend_of_another_version_leaves_the_choice_to_the_other(install: Install) -> None:
    both = install(SQLITE, foreign=(backend_wheel("postgres", wheel_version="0.9.0"),))
    assert both.ask("[cloaca.__backend__, cloaca.get_backend()]") == ["sqlite", "sqlite"]


def test_a_door_of_another_version_than_the_core_is_named_when_a_backend_is_used(
    install: Install,
) -> None:
    other = install(SQLITE)
    stated = other.box.run("import cloaca._version as stated; print(stated.__file__)").stdout
    Path(stated.strip()).write_text('__version__ = "0.9.0"\n')
    assert other.ask("[cloaca.__version__, cloaca.__backend__]") == ["0.9.0", None]
    for question in ("cloaca.get_backend()", "cloaca.DefaultRunner(':memory:')"):
        kind, message = other.error(question)
        assert kind == "BackendVersionError"
        assert message.startswith("Version mismatch detected!")
        assert f"cloaca-core is {HERE}, cloaca is 0.9.0." in message
        assert INSTALL_SQLITE in message


# -- a broken driver -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        # The driver's package is missing: a module that is not the backend's own.
        ("import no_such_driver", "ModuleNotFoundError: No module named 'no_such_driver'"),
        # A module of the backend itself is missing.
        ("import cloaca_sqlite.gone", "No module named 'cloaca_sqlite.gone'"),
        # A shared library cannot be loaded.
        ("raise ImportError('libfoo.so.5: cannot open')", "libfoo.so.5: cannot open"),
        # Anything else that a driver does while it is imported.
        ("raise OSError('no such device')", "OSError: no such device"),
        # A name that the wheel of another maker does not export.
        ("raise AttributeError('BACKEND')", "AttributeError: BACKEND"),
    ],
)
def test_a_broken_driver_tells_its_own_reason_and_not_that_it_is_not_installed(
    install: Install, failing: str, told: str
) -> None:
    broken = install(foreign=(backend_wheel("sqlite", before=failing),))
    kind, message = broken.error("backend_for('sqlite://work.db').name")
    assert kind == "BackendUnusableError"
    assert told in message
    assert "not installed" not in message
    assert broken.installed()["sqlite"][:2] == (HERE, False)


@pytest.mark.parametrize(
    ("ours", "driver"),
    [(SQLITE, "aiosqlite"), (POSTGRES, "psycopg")],
    ids=("sqlite", "postgres"),
)
def test_a_real_backend_without_its_driver_names_it(
    install: Install, ours: Distribution, driver: str
) -> None:
    broken = install(ours)
    broken.box.remove(driver)
    kind, message = broken.error(f"backend_for({URLS[ours.backend]!r}).name")
    assert kind == "BackendUnusableError"
    assert f"No module named '{driver}'" in message
    assert "not installed" not in message
    assert broken.installed()[ours.backend][:2] == (HERE, False)
    assert broken.ask("cloaca.__backend__") is None


def test_a_driver_without_its_library_leaves_the_choice_to_the_other_backend(
    install: Install,
) -> None:
    """As psycopg is where neither its binary part nor libpq is there."""
    reason = "no pq wrapper available"
    source = f"raise ImportError({reason!r})\n"
    psycopg = ForeignWheel("psycopg", {"psycopg/__init__.py": source}, version="99")
    both = install(SQLITE, POSTGRES, foreign=(psycopg,))
    assert both.ask("[cloaca.__backend__, cloaca.get_backend()]") == ["sqlite", "sqlite"]
    kind, message = both.error("backend_for('postgresql://localhost/work').name")
    assert kind == "BackendUnusableError"
    assert reason in message


# -- a shell -------------------------------------------------------------------------------------

CANNOT_YET = "cloaca-postgres 1 is a shell: it cannot work with PostgreSQL yet"
SHELL = backend_wheel("postgres", schemes=("postgresql", "postgres"), unusable_reason=CANNOT_YET)


@pytest.fixture(scope="module")
def shell_only(install: Install) -> Installation:
    return install(foreign=(SHELL,))


def test_a_shell_is_installed_but_not_usable(shell_only: Installation) -> None:
    assert shell_only.installed() == {"postgres": (HERE, False, CANNOT_YET)}
    assert shell_only.ask("cloaca.__backend__") is None


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_naming_a_shell_raises_its_own_reason(shell_only: Installation, scheme: str) -> None:
    error = shell_only.error(f"backend_for('{scheme}://localhost/work').name")
    assert error == ("BackendUnusableError", CANNOT_YET)


def test_with_a_shell_alone_the_error_says_what_to_install_and_what_is_there(
    shell_only: Installation,
) -> None:
    kind, message = shell_only.error("cloaca.get_backend()")
    assert kind == "BackendNotFoundError"
    assert INSTALL_SQLITE in message
    assert "Installed, but not usable: postgres" in message


def test_a_forced_shell_raises_its_own_reason(shell_only: Installation) -> None:
    error = shell_only.error("cloaca.get_backend()", CLOACA_BACKEND="postgres")
    assert error == ("BackendUnusableError", CANNOT_YET)


def test_a_shell_beside_sqlite_does_not_make_the_choice_ambiguous(install: Install) -> None:
    both = install(SQLITE, foreign=(SHELL,))
    assert both.ask("[cloaca.__backend__, cloaca.get_backend()]") == ["sqlite", "sqlite"]


def test_a_third_partys_shell_is_told_by_its_own_reason_too(install: Install) -> None:
    duck = backend_wheel("duck", unusable_reason="the pond is frozen", entry=True)
    both = install(SQLITE, foreign=(duck,))
    assert both.ask("cloaca.get_backend()") == "sqlite"
    error = both.error("backend_for('duck://pond').name")
    assert error == ("BackendUnusableError", "the pond is frozen")


# -- third parties -------------------------------------------------------------------------------


def test_a_third_party_backend_is_found_by_its_entry_point(install: Install) -> None:
    duck = install(foreign=(backend_wheel("duck", entry=True),))
    assert duck.ask("[cloaca.get_backend(), backend_for('duck://pond').name]") == ["duck", "duck"]


def test_a_third_party_backend_with_two_schemes_is_one_backend(install: Install) -> None:
    birds = install(foreign=(backend_wheel("birds", schemes=("duck", "goose"), entry=True),))
    assert birds.ask("[b.name for b in cloaca.available_backends()]") == ["duck"]
    asked = "[backend_for(s + '://pond').name for s in ('duck', 'goose')]"
    assert birds.ask(asked, CLOACA_BACKEND="duck") == ["birds", "birds"]


def test_a_third_party_that_exports_something_else_does_not_spoil_the_list(
    install: Install,
) -> None:
    stone = ForeignWheel(
        name="stone",
        sources={"stone.py": "BACKEND = object()\n"},
        entry_points="[cloaca.backends]\nstone = stone:BACKEND\n",
    )
    usable, reason = install(SQLITE, foreign=(stone,)).installed()["stone"][1:]
    assert not usable
    assert "has no name, schemes, version" in reason
    assert "entry point" not in reason


def test_an_entry_point_that_names_the_module_is_told_what_to_name(install: Install) -> None:
    stone = ForeignWheel(
        name="stone",
        sources={"stone.py": "BACKEND = object()\n"},
        entry_points="[cloaca.backends]\nstone = stone\n",
    )
    usable, reason = install(SQLITE, foreign=(stone,)).installed()["stone"][1:]
    assert not usable
    assert reason.endswith("; its entry point must name the object, as in stone:BACKEND")


def test_a_third_party_whose_module_is_gone_leaves_the_others_usable(install: Install) -> None:
    stale = ForeignWheel("toy", {}, entry_points="[cloaca.backends]\ntoy = cloaca_toy:BACKEND\n")
    both = install(SQLITE, foreign=(stale,))
    assert both.ask("[cloaca.__backend__, cloaca.get_backend()]") == ["sqlite", "sqlite"]
    assert both.ask("cloaca.DefaultRunner(':memory:').shutdown()") is None
    kind, message = both.error("backend_for('toy://box').name")
    assert kind == "BackendUnusableError"
    assert "No module named 'cloaca_toy'" in message
    assert both.installed()["toy"][:2] == (None, False)


def test_a_third_party_cannot_take_over_a_known_scheme(install: Install) -> None:
    """The entry point says sqlite; the module that is known by that scheme is not installed."""
    cuckoo = backend_wheel("cuckoo", schemes=("sqlite",), entry=True)
    kind, _ = install(foreign=(cuckoo,)).error("backend_for('sqlite://work.db').name")
    assert kind == "BackendNotFoundError"

"""The programs in ``examples/`` run as they are, and print what the contract says they must."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from own_database import one_at_a_time

from dev.databases import maintenance

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

PRINTS = {
    "01_first_workflow.py": """\
status: Completed
flour: 1500 g
bread: 3 loaves
on disk: True
""",
    # 10 x 1.20 and 2 x 4.50 are 21.00, and 19 % more is 24.99.
    "02_context.py": """\
visits: 2
missing: None or unknown
has a city: True of 3 keys
removed: ['lake', 'trains']
insert refuses a key that is there; city stays Zürich
update refuses a key that is missing
through JSON and back: True
before set: [1, 2]
after set: [1, 2, 3]
invoice: 24.99 EUR done: True
the input is as it was: True
""",
    # From 50 degrees: 60 is 10 away, 42 is 8, -12 is 62.
    "03_complex_graphs.py": """\
level 0: ask
level 1: measure_lima, measure_oslo, measure_rome
level 2: choose
level 3: book
starts with: ask
ends with: book
choose comes after every branch: True
status: Completed
oslo: 10 degrees away
rome: 8 degrees away
lima: 62 degrees away
ticket to: ROME
refused: True
""",
    # A task whose dependency failed is skipped, and its run is Failed.
    "04_error_handling.py": """\
download: Completed after 3 attempts
leftover of failed attempts: 0
parse 21: Completed 42
parse many: Failed after 1 attempt
double ran: 0 times
there is a message: True
careful 7: Completed 7 (fine)
careful many: Completed 0 (not a number, taken as 0)
raised: True
""",
    # One schedule ticks each second, the other is only looked at.
    "05_cron.py": """\
workflow: heartbeat
when: 30 2 * * * in Europe/Berlin
enabled: True
on the second: True
at least a second apart: True
in the history: True
success rate: 100.0 %
workflow: heartbeat
when: 0 9 * * MON-FRI in Europe/Berlin
enabled: True
only that one is enabled: True
refused: True
refused: True
left: 0
""",
    # The first round of bread fails in its second task; the retry keeps the first.
    "07_steering.py": """\
changed: True
it is: Cancelled - cancelled by the operator: the disk is nearly full
its tasks: {'copy': 'Completed', 'publish': 'Cancelled'}
raised: Cancelled
cancelled again: Steered(status='Cancelled', changed=False)
it is: Paused and send is NotStarted
  sent
it is: Completed
refused: Completed
  kneaded
it is: Failed - LookupError: there is no flour
a retry would:
keep  knead  succeeded
run   bake   failed
it is: Completed - baked in attempt 2
""",
    # The task before the wait runs once; a default that rejects skips one task, not the other.
    "08_approval.py": """\
  priced
it is: Waiting - its tasks: {'price': 'Completed', 'signed': 'Waiting', 'pay': 'NotStarted'}
open: Pay it back? - approve or reject
refused: data.amount must be an integer, not a text
too late: decided by ann
open now: 0
  paid 80 of 90, signed by ann
it is: Completed - {'price': 'Completed', 'signed': 'Completed', 'pay': 'Completed'}
  released
it is: Completed - {'kept': 'Completed', 'keep': 'Skipped', 'release': 'Completed'}
""",
    # Four answers of the model and three calls, over two processes and an eviction: each once.
    "09_agent.py": """\
  model: search - night trains to Oslo
  searched: night trains to Oslo
  model: search - seats on Friday
  searched: seats on Friday
the process has ended with 1
  model: ask - There is one seat left, for 90. Book it?
it waits for: event answer - 5 steps of it are kept
  model: book - Friday, one seat
  booked: Friday, one seat
it is: Completed - booked Friday, one seat
""",
}


TENANTS = "06_multi_tenancy.py"
PRINTS_OF_TENANTS = """\
made: tenant_bakery for tenant_bakery_user
made: tenant_florist for tenant_florist_user
passwords differ: True
shown: TenantCredentials(username='tenant_bakery_user', schema_name='tenant_bakery', \
password='***', connection_string='***')
tenant_bakery: Completed - 2: bread, rolls
tenant_florist: Completed - 1: tulips
refused: True
refused: True
removed: 2
"""


def reads_a_url(name: str) -> bool:
    """Whether a program can keep its work elsewhere than in a file or in memory."""
    return '"DATABASE_URL"' in (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.backend("sqlite", reason="these programs keep what they do in a file")
@pytest.mark.parametrize("name", sorted(PRINTS))
def test_an_example_prints_what_the_contract_promises_and_nothing_else(
    name: str, tmp_path: Path
) -> None:
    assert run(name, tmp_path) == PRINTS[name]


@pytest.mark.backend("postgres", reason="it is the server that these programs are pointed at")
@pytest.mark.parametrize("name", [name for name in sorted(PRINTS) if reads_a_url(name)])
def test_an_example_prints_the_same_when_its_work_is_on_a_server(
    name: str, tmp_path: Path, database_url: str
) -> None:
    assert run(name, tmp_path, DATABASE_URL=database_url) == PRINTS[name]


@pytest.mark.backend("postgres", reason="tenants are schemas there")
def test_the_tenants_example_makes_them_and_leaves_none(
    tmp_path: Path, postgres_database: str
) -> None:
    name = maintenance.name_for_tests()
    with (
        one_at_a_time(postgres_database, TENANTS),
        maintenance.temporary(postgres_database, name) as url,
    ):
        assert run(TENANTS, tmp_path, ADMIN_DATABASE_URL=url) == PRINTS_OF_TENANTS


MORE_CORES = "10_more_cores.py"
TABLE = r"""24 tasks count the primes below 20,000
workers  seconds  speed-up
threads +\d+\.\d\d
      1 +\d+\.\d\d      1\.00
      2 +\d+\.\d\d +\d+\.\d\d
"""


@pytest.mark.backend("sqlite", reason="it keeps its runs in memory")
def test_the_example_of_more_cores_counts_on_one_worker_and_on_two(tmp_path: Path) -> None:
    """The count is checked by the program itself, against a table of primes."""
    options = ["--below", "20000", "--workers", "1", "2", "--plot", "plot.svg"]
    done = started(MORE_CORES, tmp_path, *options)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(TABLE, done.stdout)
    (plot,) = tmp_path.iterdir()
    image = ElementTree.fromstring(plot.read_bytes())  # noqa: S314 - our program has written it
    assert image.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(image.findall("{*}circle")) == 2


def run(name: str, tmp_path: Path, **variables: str) -> str:
    """The program's output; it must print nothing on stderr and leave no file behind."""
    done = started(name, tmp_path, **variables)

    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
    return done.stdout


def started(
    name: str, tmp_path: Path, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The program at its end, in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", str(EXAMPLES / name), *options],
        cwd=tmp_path,
        env={key: text for key, text in os.environ.items() if key != "DATABASE_URL"} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_every_example_is_named_in_their_readme() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    names = [path.name for path in EXAMPLES.glob("[0-9]*.py")]
    assert sorted(names) == sorted([*PRINTS, TENANTS, MORE_CORES])
    assert [name for name in names if f"[{name}]({name})" not in text] == []

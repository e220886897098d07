"""The tasks for invoke: names, options and help; other modules do the work."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from benchmarks.from_wheels import (
    bench as benchmarking,
    comparison as comparing,
    costs as counting,
)
from dev import check as checks, measure as measuring, scrub as scrubbing
from dev.console import readable_failures
from dev.databases import heads, services
from dev.docs import command_line, pictures, proof, signatures, site
from dev.environments import lock as locking
from dev.packaging import (
    artefacts as packaging,
    debug_env as debugging,
    release as releasing,
    rendering as generating,
    smoke as smoking,
)
from dev.testing import chaos as storming, mutants as breaking, session, simulating, unit as trying
from dev.testing.jobs import Wanted
from examples.from_wheels import demo as demonstrating, programs as exemplifying

_BACKEND = "only this backend and what it needs: sqlite or postgres"


@task(help={"backend": _BACKEND, "check": "write nothing, fail with the files that drifted"})
def generate(_: Context, backend: str | None = None, check: bool = False) -> None:
    """Render the packaging files from VERSION and templates/."""
    with readable_failures():
        if check:
            generating.check(backend)
        else:
            generating.generate(backend)


@task
def head(_: Context) -> None:
    """Make the scripts of a new database from the migrations of each backend."""
    with readable_failures():
        heads.write()


@task(help={"upgrade": "take the newest versions, not only those that the requirements force"})
def lock(_: Context, upgrade: bool = False) -> None:
    """Write dev/lock.txt, the versions of the tools and tests, from the requirements."""
    with readable_failures():
        locking.lock(upgrade=upgrade)


@task(help={"backend": _BACKEND})
def package(_: Context, backend: str | None = None) -> None:
    """Build and check an sdist and a wheel of each distribution in dist/."""
    with readable_failures():
        packaging.package(backend)


@task(
    help={
        "backend": _BACKEND,
        "upload": "publish it, at CLOACA_RELEASE_URL; refused when that is not configured",
    }
)
def release(_: Context, backend: str | None = None, upload: bool = False) -> None:
    """Rehearse a release: all artefacts, checked and tried, with checksums and an SBOM."""
    with readable_failures():
        everything = Wanted(backend, full=True)
        releasing.release(backend, upload=upload, test=lambda: session.test(everything))


@task(
    name="test",
    help={
        "backend": "test on this backend only: sqlite or postgres",
        "file": "one file or folder of python-tests",
        "k": "only tests that match, as pytest's -k",
        "all-pythons": "everything on every Python that is installed",
        "python": "on this Python only, as 3.13",
        "full": "everything on both backends, also what says little more there",
    },
)
def run_tests(
    _: Context,
    backend: str | None = None,
    file: str | None = None,
    k: str | None = None,
    all_pythons: bool = False,
    python: str | None = None,
    full: bool = False,
) -> None:
    """Run the tests against the built wheels in fresh environments."""
    with readable_failures():
        session.test(Wanted(backend, file, k, all_pythons, python, full))


@task(
    help={
        "file": "one file or folder of python-tests",
        "k": "only tests that match, as pytest's -k",
        "backend": "sqlite (the default) or postgres, for tests that run on both",
    }
)
def unit(_: Context, file: str, k: str | None = None, backend: str | None = None) -> None:
    """Run one test file straight from the tree, without building anything."""
    with readable_failures():
        trying.unit(file, k, backend)


@task(
    help={
        "only": "only those whose name, file or list contains this text",
        "jobs": "how many at a time",
    }
)
def mutants(_: Context, only: str | None = None, jobs: int = 2) -> None:
    """Break rules of the project one by one, and report those that the tests do not notice."""
    with readable_failures():
        breaking.run(only, jobs=jobs)


@task(
    help={
        "minutes": "how long; 0 is once on each backend",
        "seed": "the first seed, as a failed one printed it",
        "backend": "only this backend: sqlite or postgres",
        "keep": "keep the result for the page of promises",
    }
)
def chaos(
    _: Context,
    minutes: float = 10.0,
    seed: int | None = None,
    backend: str | None = None,
    keep: bool = False,
) -> None:
    """Let faults come to real processes, judge them by the promises, and print the seed."""
    with readable_failures():
        first = None if seed is None else int(seed)
        storming.chaos(float(minutes), first, backend, keep=keep)


@task(
    help={
        "seeds": "how many stories of each workflow",
        "first": "the first seed",
        "broken": "show in which story each engine is noticed that is broken on purpose",
        "keep": "keep the result for the page of promises",
    }
)
def simulate(
    _: Context, seeds: int = 100, first: int = 0, broken: bool = False, keep: bool = False
) -> None:
    """Tell seeded stories of crashes, pauses and lost answers in virtual time."""
    with readable_failures():
        tell = simulating.simulate_broken if broken else simulating.simulate
        found = tell(int(seeds), int(first))
        if keep:
            proof.keep("broken" if broken else "simulation", found)


@task(help={"backend": "only situations of this backend"})
def smoke(_: Context, backend: str | None = None) -> None:
    """Install the built wheels in empty environments and try them."""
    with readable_failures():
        smoking.smoke(backend)


@task(
    help={
        "deep": "caches of tests and checks and service volumes too",
        "placeholders": "replace generated files by a comment that names their template",
    }
)
def scrub(_: Context, deep: bool = False, placeholders: bool = False) -> None:
    """Remove environments, artefacts and caches."""
    with readable_failures():
        scrubbing.scrub(deep=deep, placeholders=placeholders)


@task(name="debug-env", help={"backend": "sqlite (the default), postgres or all"})
def debug_env(_: Context, backend: str = "sqlite") -> None:
    """Make debug-env-<backend>/ with the wheels installed, for experiments."""
    with readable_failures():
        debugging.debug_env(backend)


@task(
    help={
        "backend": "the backend to measure on: sqlite (the default) or postgres",
        "peers": "measure comparable engines instead, on both backends: README's comparison",
        "instructions": "count instructions and Python calls of a run instead, on both backends",
        "beside": "with --instructions: a revision of this repository to count as well",
    }
)
def bench(
    _: Context,
    backend: str = "sqlite",
    peers: bool = False,
    instructions: bool = False,
    beside: str | None = None,
) -> None:
    """Measure against the bare driver's floor, in the same minute on the same disk."""
    with readable_failures():
        if peers:
            comparing.compare()
        elif instructions:
            counting.count_costs(beside)
        else:
            benchmarking.bench(backend)


@task
def measure(_: Context) -> None:
    """Print how large and how deep the code is, beside the figures to reach."""
    with readable_failures():
        measuring.measure()


@task(
    help={
        "crash": "kill it in the middle and go on; let a step fail, and retry",
        "dask": "run its steps on a Dask cluster of this machine",
        "ui": "open its web page, which stays until Ctrl-C",
    }
)
def demo(_: Context, crash: bool = False, dask: bool = False, ui: bool = False) -> None:
    """Watch a workflow run on real data."""
    with readable_failures():
        demonstrating.demo(crash=crash, dask=dask, ui=ui)


@task(name="all")
def run_examples(_: Context) -> None:
    """Run every program in examples/ from the built wheels, on both backends."""
    with readable_failures():
        exemplifying.run_all()


@task(help={"quick": "leave out checks that build the wheels first, as the commit hook does"})
def check(_: Context, quick: bool = False) -> None:
    """Run ruff, mypy, pyright, import-linter, codespell, drift and the site's links."""
    with readable_failures():
        checks.check(quick=quick)


@task
def up(_: Context) -> None:
    """Start a PostgreSQL that stays up, by docker compose or else from this machine's programs."""
    with readable_failures():
        services.up()


@task(help={"volumes": "remove its data, too"})
def down(_: Context, volumes: bool = False) -> None:
    """Stop it; its data is kept for the next start."""
    with readable_failures():
        services.down(volumes=volumes)


@task
def reset(_: Context) -> None:
    """Drop its databases and make the usual one again."""
    with readable_failures():
        services.reset()


@task
def status(_: Context) -> None:
    """Say whether it is up."""
    with readable_failures():
        services.status()


@task(name="build")
def build_docs(_: Context) -> None:
    """Build the site in site/, strictly and without a network."""
    with readable_failures():
        site.build()


@task(name="cli")
def write_cli(_: Context) -> None:
    """Make the reference of the command line from its commands."""
    with readable_failures():
        command_line.write()


@task(name="pictures")
def draw_pictures(_: Context) -> None:
    """Draw the documentation's pictures of the web page again, in Chromium."""
    with readable_failures():
        pictures.draw()


@task(name="signatures")
def write_signatures(_: Context) -> None:
    """Write the signatures on the reference pages again."""
    with readable_failures():
        signatures.write()


@task(name="promises")
def write_promises(_: Context) -> None:
    """Make the proof on the page of promises from the results that are kept."""
    with readable_failures():
        proof.write()


@task(name="serve", help={"address": "where to listen, as host:port"})
def serve_docs(_: Context, address: str = "localhost:8000") -> None:
    """Show the site, and build it again whenever a page changes."""
    with readable_failures():
        site.serve(address)


namespace = Collection(
    generate,
    head,
    lock,
    package,
    run_tests,
    unit,
    mutants,
    chaos,
    simulate,
    smoke,
    release,
    scrub,
    debug_env,
    demo,
    bench,
    measure,
    check,
)
namespace.add_collection(Collection("examples", run_examples))
namespace.add_collection(Collection("services", up, down, reset, status))
namespace.add_collection(
    Collection(
        "docs",
        build_docs,
        write_cli,
        write_signatures,
        write_promises,
        draw_pictures,
        serve_docs,
    )
)

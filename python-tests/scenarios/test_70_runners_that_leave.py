"""70: a runner leaves when another program asks it to; its bodies come to their end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

import cloaca

pytestmark = pytest.mark.each_backend

PATIENCE = 60


class Held:
    """A workflow whose body waits until it is let go."""

    def __init__(self) -> None:
        self.registry = cloaca.Registry()
        self.begun, self.go_on = threading.Event(), threading.Event()
        with cloaca.WorkflowBuilder("held", registry=self.registry):

            @cloaca.task
            def hold(context: cloaca.Context) -> dict[str, bool]:
                self.begun.set()
                assert self.go_on.wait(PATIENCE)
                return {"done": True}


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.go_on.set()


@pytest.fixture
def told() -> Iterator[threading.Event]:
    """Set when a runner says in the log that it was asked to leave."""
    told = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "was asked to leave" in record.getMessage():
                told.set()

    logger, listener = logging.getLogger("cloaca.engine"), Listener()
    before = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    yield told
    logger.setLevel(before)
    logger.removeHandler(listener)


@pytest.fixture
def client(database_url: str) -> Iterator[cloaca.Client]:
    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        yield client


def test_it_claims_no_more_lets_its_bodies_end_and_is_gone(
    database_url: str, client: cloaca.Client, held: Held, told: threading.Event
) -> None:
    config = cloaca.DefaultRunnerConfig(runner_id="leaver", shutdown_grace_seconds=600)
    with cloaca.DefaultRunner(database_url, config=config, registry=held.registry) as runner:
        run = client.submit("held")
        assert held.begun.wait(PATIENCE)

        assert client.drain_runner("leaver") is True
        assert client.drain_runner("leaver") is True  # once more changes nothing
        assert told.wait(PATIENCE)
        later = client.submit("held")
        (line,) = cloaca.Observer(client).overview().wait().runners
        assert (line.id, line.alive, line.draining_since is None) == ("leaver", True, False)
        explained = [each.why for each in later.explain().runners]
        assert ["was asked to leave at" in why for why in explained] == [True]
        held.go_on.set()

        assert run.result(PATIENCE).status == "Completed"
        runner.shutdown()  # waits for the end that has begun
        with pytest.raises(cloaca.RunnerClosedError):
            runner.submit("held")
    assert cloaca.Observer(client).overview().wait().runners == ()
    assert later.status() == "Pending"


def test_who_is_not_there_cannot_be_asked(client: cloaca.Client) -> None:
    assert client.drain_runner("nobody") is False
    with pytest.raises(cloaca.ConfigError, match="runner_id"):
        client.drain_runner("")


async def test_an_async_runner_that_is_idle_leaves_too(
    database_url: str, client: cloaca.Client, held: Held, told: threading.Event
) -> None:
    config = cloaca.DefaultRunnerConfig(runner_id="idle")
    async with (
        cloaca.AsyncRunner(database_url, config=config, registry=held.registry) as runner,
        cloaca.AsyncClient(database_url, registry=cloaca.Registry()) as other,
    ):
        assert await other.drain_runner("idle") is True
        assert await asyncio.to_thread(told.wait, PATIENCE)
        with pytest.raises(cloaca.RunnerClosedError):
            await runner.execute("held", {})
    assert cloaca.Observer(client).overview().wait().runners == ()


def test_it_cannot_be_asked_of_a_database_that_is_only_looked_at(
    database_url: str, held: Held
) -> None:
    config = cloaca.DefaultRunnerConfig(runner_id="here")
    sign = "&" if "?" in database_url else "?"
    with (
        cloaca.DefaultRunner(database_url, config=config, registry=held.registry),
        cloaca.Client(f"{database_url}{sign}mode=ro", registry=cloaca.Registry()) as looker,
        pytest.raises(cloaca.StoreReadOnlyError),
    ):
        looker.drain_runner("here")

"""78: secrets of the program are hidden in all that is kept, logged and shown of its bodies."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from own_database import OwnDatabases
from scenarios import bodies_elsewhere
from scenarios.crawling import all_pages
from tables import each_row

import cloaca
from cloaca.executors import ProcessExecutor
from cloaca_tools.cli.root import cli
from cloaca_tools.mcp.database import Database
from cloaca_tools.mcp.looking import LOOKING
from cloaca_tools.mcp.tool import Answered, called

SECRET = bodies_elsewhere.SECRET
CANARY = "c4nary"
"""A part of the secret that no form of it lacks."""
LOG = logging.getLogger("app.jobs")
TOOLS = {tool.name: tool for tool in LOOKING}
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'cloaca_%'",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}


def everything_in(own_databases: OwnDatabases, url: str, backend: str) -> str:
    """All rows of all tables."""
    tables = [name for (name,) in own_databases.query(url, TABLES[backend])]
    assert "cloaca_attempt" in tables
    return repr([own_databases.query(url, f"SELECT * FROM {name}") for name in tables])


def by_tools(client: cloaca.Client, url: str, run_id: str) -> list[str]:
    """What each tool of MCP that looks tells of a run."""
    desk = Database(client, url)
    answers = [
        called(tool, desk, {"run": run_id} if "run" in tool.required() else {})
        for tool in LOOKING
        if set(tool.required()) <= {"run"}
    ]
    assert sum(isinstance(each, Answered) for each in answers) > 7
    return list(map(repr, answers))


def by_commands(url: str, run_id: str) -> list[str]:
    """What the commands print that tell of a run."""
    commands = (["show", run_id], ["logs", run_id], ["explain", run_id], ["show", run_id, "--json"])
    done = [CliRunner().invoke(cli, ["runs", *each, "--database-url", url]) for each in commands]
    return [each.output for each in done]


class TestBodies:
    @pytest.mark.each_backend
    def test_a_secret_is_in_clear_nowhere(
        self,
        database_url: str,
        own_databases: OwnDatabases,
        backend_name: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        told: list[str] = []
        caplog.set_level(logging.DEBUG, logger="cloaca")

        def failed(task_id: str, error: str, context: cloaca.Context) -> None:
            told.append(error)
            raise RuntimeError(f"and so is {SECRET}")

        with cloaca.WorkflowBuilder("pay"):

            @cloaca.task(id="charge", retry_attempts=2, retry_delay_ms=1, on_failure=failed)
            def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                LOG.warning("with %s", SECRET)
                handle.log(f"calls {SECRET}", key={"of": [SECRET]}, error=KeyError(SECRET))
                handle.progress(1, 2, f"with {SECRET}")
                try:
                    raise LookupError(SECRET)
                except LookupError as error:
                    LOG.exception("it is wrong")
                    logging.getLogger(f"of.{SECRET}").warning("named so")
                    logging.getLogger(f"of.{SECRET}").info("so is what nobody sees")
                    kind = type(f"Error_{SECRET}", (ValueError,), {})
                    raise kind(f"no answer: {SECRET!r}, {{'key': {SECRET!r}}}") from error

        with cloaca.DefaultRunner(database_url, redact=[SECRET]) as runner:
            run = runner.submit("pay")
            result = run.result()
            explained, tasks, lines = run.explain(), run.tasks(), run.logs()
            pages = all_pages(runner)
            told += [cloaca.metrics.render(runner), *map(repr, run.events())]
            told += by_tools(runner, database_url, run.id)
        told_by_commands = by_commands(database_url, run.id)

        said = [str(result), repr(result), str(explained), repr(explained), repr(tasks)]
        said += [repr(lines), repr(result.task_results), str(result.error_message)]
        stored = everything_in(own_databases, database_url, backend_name)
        ours = [each for each in caplog.records if each.name.startswith("cloaca")]
        logged = [caplog.handler.format(each) + repr(vars(each)) for each in ours]
        for text in [*said, *told, *told_by_commands, *logged, stored, *pages.values()]:
            assert CANARY not in text
        assert told[:2] == ["Error_***: no answer: '***', {'key': '***'}"] * 2
        assert all("***" in text for text in told_by_commands)
        assert tasks["charge"].progress is not None
        assert tasks["charge"].progress.text == "with ***"
        assert [line.message for line in lines][:2] == ["with ***", "calls ***"]
        assert lines[1].fields == {"key": {"of": ["***"]}, "error": "'***'"}
        assert sum("RuntimeError: and so is ***" in each for each in logged) == 2
        assert any("LookupError: ***" in each for each in pages.values())

    def test_so_it_is_in_a_process_of_an_executor(
        self,
        database_url: str,
        own_databases: OwnDatabases,
        backend_name: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with cloaca.WorkflowBuilder("far"):
            cloaca.task(id="body", retry_attempts=1, executor="cpu")(
                bodies_elsewhere.tells_a_secret
            )

        with (
            ProcessExecutor(1) as cpu,
            cloaca.DefaultRunner(database_url, executors={"cpu": cpu}, redact=[SECRET]) as runner,
        ):
            run = runner.submit("far")
            result = run.result()
            tasks, lines = run.tasks(), run.logs()

        stored = everything_in(own_databases, database_url, backend_name)
        for text in [repr(result), repr(tasks), repr(lines), caplog.text, stored]:
            assert CANARY not in text
            assert "c4na" not in text
        assert [line.message for line in lines] == ["with ***", "named so", "called"]
        assert lines[1].logger == "of.***"
        assert str(result.error_message).endswith(
            "first error: body: Error_***: no answer with ***"
        )
        assert "LookupError: ***" in str(tasks["body"].traceback)

    def test_the_error_of_a_node_quotes_no_secret(
        self, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with cloaca.WorkflowBuilder("nap"):
            cloaca.sleep("rest", until_key="when")

        with cloaca.DefaultRunner(database_url, redact=[SECRET]) as runner:
            run = runner.submit("nap", {"when": SECRET})
            result, tasks, explained = run.result(), run.tasks(), str(run.explain())

        assert "its context has '***': expected" in str(tasks["rest"].error)
        assert "its context has '***': expected" in str(result.error_message)
        assert CANARY not in str(tasks["rest"].error) + str(result.error_message)
        assert CANARY not in explained + caplog.text

    async def test_a_function_is_asked_when_an_async_runner_opens(
        self, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        asked: list[threading.Thread] = []

        def secrets() -> set[str]:
            asked.append(threading.current_thread())
            return {SECRET}

        with cloaca.WorkflowBuilder("pay"):

            @cloaca.task(id="charge", retry_attempts=1)
            async def charge(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())

            async def fails() -> None:
                raise ValueError(SECRET)

        runner = cloaca.AsyncRunner(database_url, redact=secrets)
        assert asked == []
        async with runner:
            run = await runner.submit("pay")
            result = await run.result()

        assert len(asked) == 1
        assert asked[0] is not threading.current_thread()  # it may block, and the loop may not
        assert CANARY not in repr(result) + caplog.text
        assert "ValueError: ***" in str(result.task_results["charge"].traceback)

    def test_a_trigger_that_fails_tells_no_secret(
        self, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        logged = threading.Event()

        class Waker(logging.Handler):
            def emit(self, _: logging.LogRecord) -> None:
                logged.set()

        with cloaca.WorkflowBuilder("pay"):

            @cloaca.task
            def charge(context: cloaca.Context) -> None: ...

        @cloaca.trigger(on="pay", poll_interval="20ms")
        def inbox() -> cloaca.TriggerResult:
            raise ConnectionError(f"refused with {SECRET}")

        waker = Waker(logging.ERROR)
        logging.getLogger("cloaca.triggers").addHandler(waker)
        try:
            with cloaca.DefaultRunner(database_url, redact=[SECRET]) as runner:
                assert logged.wait(60)
                failing = runner.health()["failing_triggers"]
        finally:
            logging.getLogger("cloaca.triggers").removeHandler(waker)

        assert failing == {"inbox": "trigger 'inbox' failed: ConnectionError('refused with ***')"}
        assert CANARY not in caplog.text
        assert "ConnectionError: refused with ***" in caplog.text


class TestPayloads:
    def test_they_are_stored_as_they_are_and_the_page_hides_what_is_secret(
        self, database_url: str
    ) -> None:
        with cloaca.WorkflowBuilder("pay"):

            @cloaca.task(id="charge")
            def charge(context: cloaca.Context) -> dict[str, Any]:
                return {"used": [f"with {context.get('note')}"]}

        with cloaca.DefaultRunner(database_url) as runner:
            run = runner.submit("pay", {"note": SECRET, SECRET: 1})
            result = run.result()

        assert result.final_context.get("used") == [f"with {SECRET}"]
        with cloaca.Client(database_url, redact=lambda: (SECRET,)) as client:
            hidden = all_pages(client)
        with cloaca.Client(database_url) as client:
            shown = all_pages(client)
        assert not [address for address, text in hidden.items() if CANARY in text]
        assert any("***" in text for text in hidden.values())
        assert any(CANARY in text for text in shown.values())

    def test_what_has_a_secret_name_is_hidden_wherever_the_page_shows_it(
        self, database_url: str
    ) -> None:
        url = f"amqp://ann:{CANARY}@queue/shop"
        with cloaca.WorkflowBuilder("pay"):

            @cloaca.task(id="sign_in")
            def sign_in(context: cloaca.Context) -> None:
                context.set("Authorization", {"Bearer": [CANARY]})

            @cloaca.task(id="charge", dependencies=[sign_in], retry_attempts=1)
            def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                handle.step("session_token", lambda: CANARY)
                handle.log("signed in", cookie=CANARY, deep={"auth": CANARY}, broker=url)
                handle.progress(1, 2, f"sends to {url}")
                raise ConnectionError(f"no answer from {url}")

        with cloaca.DefaultRunner(database_url) as runner:
            given = {"basic_auth": CANARY, "broker": url}
            runner.submit("pay", given, tags={"api_token": CANARY, "broker": url}).wait(60)
            pages = all_pages(runner)
            desk = Database(runner, database_url)
            (run,) = runner.list_runs()
            told = [
                called(tool, desk, {"run": run.id, **more})
                for tool, more in (
                    (TOOLS["get_run"], {"task": "charge"}),
                    (TOOLS["get_run"], {"task": "sign_in"}),
                    (TOOLS["get_logs"], {}),
                )
            ]

        assert {each for each in pages if each.endswith(("/export", "/case"))}
        assert [address for address, text in pages.items() if CANARY in text] == []
        assert any("amqp://ann:***@queue/shop" in text for text in pages.values())
        assert all(isinstance(each, Answered) and CANARY not in repr(each) for each in told)


class TestPassword:
    def test_that_of_the_url_is_a_secret_of_its_runner(
        self, database_url: str, backend_name: str
    ) -> None:
        if backend_name != "postgres":
            pytest.skip("a SQLite URL has none")
        # That of a key, which no server asks for here.
        url = f"{database_url}{'&' if '?' in database_url else '?'}sslpassword=pa%24%24w0rd"
        with cloaca.WorkflowBuilder("pay"):

            @cloaca.task(id="charge", retry_attempts=1)
            def charge(context: cloaca.Context) -> None:
                LOG.warning("connects to %s", url)
                raise ConnectionError("refused: pa$$w0rd")

        with cloaca.DefaultRunner(url) as runner:
            run = runner.submit("pay")
            result, (line,) = run.result(), run.logs()

        assert line.message.endswith("sslpassword=***")
        assert str(result.error_message).endswith("charge: ConnectionError: refused: ***")


class TestRefusals:
    @each_row(
        ("given", "kind", "message"),
        [
            (SECRET, cloaca.ConfigTypeError, "expected a collection of texts, .* not str$"),
            ({"key": SECRET}, cloaca.ConfigTypeError, "not dict$"),
            (7, cloaca.ConfigTypeError, "not int$"),
            ([SECRET, None], cloaca.ConfigTypeError, "text 2 must be a str, not NoneType$"),
            ([SECRET.encode()], cloaca.ConfigTypeError, "text 1 must be a str, not bytes$"),
            ([SECRET, ""], cloaca.ConfigError, "text 2 is too short: a secret has at least 4"),
            (["a1b"], cloaca.ConfigError, "text 1 is too short"),
            (lambda: SECRET, cloaca.ConfigTypeError, "of the function: expected .* not str$"),
            (lambda: ["a1b"], cloaca.ConfigError, "of the function: text 1 is too short"),
            (lambda: [][1], cloaca.ConfigError, "the function raised IndexError$"),
        ],
    )
    @each_row("kind_of_client", [cloaca.DefaultRunner, cloaca.Client])
    def test_what_is_no_secret_is_refused_at_the_call(
        self,
        database_url: str,
        given: Any,
        kind: type[Exception],
        message: str,
        kind_of_client: Callable[..., object],
    ) -> None:
        with pytest.raises(kind, match=f"^redact: .*{message}") as caught:
            kind_of_client(database_url, redact=given)

        assert CANARY not in str(caught.value)
        assert "a1b" not in str(caught.value)

    def test_no_repr_shows_a_secret(self, database_url: str) -> None:
        with cloaca.DefaultRunner(database_url, redact=[SECRET]) as runner:
            assert CANARY not in repr(runner) + str(runner) + repr(vars(runner._host))

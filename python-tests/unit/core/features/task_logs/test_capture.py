"""Records of bodies are taken, and the program sees no difference."""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import logging
import logging.config
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from cloaca_core.engine.execute.body_log import CURRENT_LOG
from cloaca_core.features.task_logs import capture
from cloaca_core.logs import SafeLogger


def _methods() -> dict[str, Any]:
    return {name: getattr(logging.Logger, name) for name in capture.WRAPPED}


PLAIN: Final = _methods()
"""Those of ``logging``: this module is imported before any test opens a runner."""


class Notes:
    """A sink that notes messages."""

    def __init__(self, least: int = logging.INFO) -> None:
        self.least = least
        self.messages: list[str] = []
        self.without_record = 0

    def take(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.name}: {record.getMessage()}")

    def take_call(self, names: str, message: object, args: tuple[object, ...]) -> None:
        _, logger = json.loads(f"[{names}]")
        self.messages.append(f"{logger}: {str(message) % args}")
        self.without_record += 1


class Shown(logging.Handler):
    """What the program shows."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def in_body(sink: Notes, body: Callable[[], object]) -> None:
    """Call a body whose records the sink takes."""
    context = contextvars.copy_context()
    context.run(CURRENT_LOG.set, sink)
    context.run(body)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger as a program finds it that has configured nothing."""
    found = logging.getLogger()
    handlers, level = found.handlers[:], found.level
    found.handlers[:] = []
    found.setLevel(logging.WARNING)
    yield found
    found.handlers[:] = handlers
    found.setLevel(level)


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> Iterator[capture.Capture]:
    """A capture of these tests alone, of which one user has begun. A runner of another test may
    still be closing in this process: its wrappers are set aside.
    """
    for name, method in PLAIN.items():
        monkeypatch.setattr(logging.Logger, name, method)
    captured = capture.Capture()
    captured.begin()
    yield captured
    captured.end()
    assert _methods() == PLAIN


@pytest.fixture
def logger(root: logging.Logger) -> Iterator[logging.Logger]:
    found = logging.getLogger("app.part")
    yield found
    found.setLevel(logging.NOTSET)
    found.propagate, found.disabled = True, False
    found.handlers[:] = []
    found.filters[:] = []
    logging.disable(logging.NOTSET)


pytestmark = pytest.mark.usefixtures("captured")


class TestTaken:
    def test_records_from_the_least_level_on(self, logger: logging.Logger) -> None:
        notes = Notes()

        def body() -> None:
            logger.debug("a")
            logger.info("b")
            logger.warning("c")
            logging.getLogger("other").info("d")
            logging.getLogger().info("e")

        in_body(notes, body)

        assert notes.messages == ["app.part: b", "app.part: c", "other: d", "root: e"]

    def test_debug_records_if_that_is_the_level(self, logger: logging.Logger) -> None:
        notes = Notes(logging.DEBUG)

        in_body(notes, lambda: logger.debug("a"))

        assert notes.messages == ["app.part: a"]

    def test_nothing_outside_of_bodies(self, logger: logging.Logger) -> None:
        notes = Notes()
        in_body(notes, lambda: None)

        logger.error("a")

        assert notes.messages == []
        assert not logger.isEnabledFor(logging.INFO)

    def test_loggers_that_keep_their_records_to_themselves(self, logger: logging.Logger) -> None:
        notes = Notes()
        logger.propagate = False

        in_body(notes, lambda: logger.info("a"))

        assert notes.messages == ["app.part: a"]

    def test_threads_that_have_copied_the_context(self, logger: logging.Logger) -> None:
        notes = Notes()

        def body() -> None:
            context = contextvars.copy_context()
            mine = threading.Thread(target=context.run, args=(logger.info, "a"))
            others = threading.Thread(target=contextvars.Context().run, args=(logger.error, "b"))
            for thread in (mine, others):
                thread.start()
                thread.join()

        in_body(notes, body)

        assert notes.messages == ["app.part: a"]

    def test_each_coroutine_its_own(self, logger: logging.Logger) -> None:
        notes = [Notes(), Notes()]

        async def body(number: int) -> None:
            CURRENT_LOG.set(notes[number])
            for _ in range(2):
                logger.info("%d", number)
                await asyncio.sleep(0)

        async def main() -> None:
            await asyncio.gather(body(0), body(1))

        asyncio.run(main())

        assert [each.messages for each in notes] == [["app.part: 0"] * 2, ["app.part: 1"] * 2]

    @pytest.mark.parametrize("name", ["cloaca", "cloaca.engine"])
    @pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])  # one is shown
    def test_not_the_records_of_this_package(
        self, logger: logging.Logger, name: str, level: int
    ) -> None:
        notes = Notes()

        in_body(notes, lambda: logger.manager.getLogger(name).log(level, "a"))

        assert notes.messages == []

    def test_loggers_of_this_package_are_asked_without_a_detour(
        self, logger: logging.Logger
    ) -> None:
        answers: list[bool] = []

        in_body(Notes(), lambda: answers.append(SafeLogger(logger.name).isEnabledFor(20)))
        in_body(Notes(), lambda: answers.append(logger.isEnabledFor(20)))

        assert answers == [False, True]

    def test_those_of_a_program_with_a_similar_name(self) -> None:
        notes = Notes()

        in_body(notes, lambda: logging.getLogger("cloacalike").info("a"))

        assert notes.messages == ["cloacalike: a"]


class TestLevels:
    """The root's level says what the program shows; other loggers have levels for a reason."""

    def test_that_of_the_root_does_not_count(
        self, logger: logging.Logger, root: logging.Logger
    ) -> None:
        notes = Notes()
        root.setLevel(logging.ERROR)

        in_body(notes, lambda: logger.info("a"))

        assert notes.messages == ["app.part: a"]

    def test_that_of_a_logger_above_counts(self, logger: logging.Logger) -> None:
        notes = Notes()
        logging.getLogger("app").setLevel(logging.WARNING)

        def body() -> None:
            logger.info("a")
            logger.warning("b")
            assert not logger.isEnabledFor(logging.INFO)

        try:
            in_body(notes, body)
        finally:
            logging.getLogger("app").setLevel(logging.NOTSET)

        assert notes.messages == ["app.part: b"]

    def test_what_is_disabled_is_not_kept(self, logger: logging.Logger) -> None:
        notes = Notes()

        def body() -> None:
            logging.disable(logging.INFO)
            logger.info("a")
            logger.warning("b")
            logging.disable(logging.NOTSET)
            logger.disabled = True
            logger.error("c")

        in_body(notes, body)

        assert notes.messages == ["app.part: b"]

    def test_filters_of_a_logger_count(self, logger: logging.Logger) -> None:
        notes = Notes()
        logger.addFilter(lambda record: "secret" not in record.getMessage())

        def body() -> None:
            logger.info("a secret")
            logger.info("b")

        in_body(notes, body)

        assert notes.messages == ["app.part: b"]

    def test_a_body_that_asks_is_told_what_is_kept(self, logger: logging.Logger) -> None:
        asked: list[bool] = []

        def body() -> None:
            asked.extend(map(logger.isEnabledFor, (logging.DEBUG, logging.INFO)))

        in_body(Notes(), body)

        assert asked == [False, True]


class TestTheProgram:
    """What it shows is the same as without us."""

    def test_its_handlers_get_what_its_levels_let_pass(
        self, logger: logging.Logger, root: logging.Logger
    ) -> None:
        shown, own, notes = Shown(), Shown(), Notes()
        root.addHandler(shown)
        logger.addHandler(own)

        def body() -> None:
            logger.info("a")
            logger.info("of a record", extra={"key": 1})
            logger.warning("b")

        in_body(notes, body)

        assert (shown.messages, own.messages) == (["b"], ["b"])
        assert notes.messages == ["app.part: a", "app.part: of a record", "app.part: b"]

    def test_a_basic_config_after_us_takes_effect(
        self, logger: logging.Logger, root: logging.Logger
    ) -> None:
        root.handlers[:] = []  # those of pytest
        stream, notes = io.StringIO(), Notes()

        def body() -> None:
            logging.basicConfig(stream=stream, level=logging.INFO, format="%(message)s")
            logger.info("a")
            logger.debug("b")

        in_body(notes, body)

        assert stream.getvalue() == "a\n"
        assert [type(each) for each in root.handlers] == [logging.StreamHandler]
        assert notes.messages == ["app.part: a"]

    def test_a_dict_config_changes_nothing_for_us(
        self, logger: logging.Logger, root: logging.Logger
    ) -> None:
        notes = Notes()
        settings = {
            "version": 1,
            "disable_existing_loggers": False,
            "root": {"level": "ERROR", "handlers": []},
        }

        def body() -> None:
            logging.config.dictConfig(settings)
            logger.info("a")

        in_body(notes, body)

        assert root.level == logging.ERROR
        assert notes.messages == ["app.part: a"]

    def test_the_last_resort_still_speaks(
        self, logger: logging.Logger, root: logging.Logger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root.handlers[:] = []  # those of pytest
        last = Shown()
        last.setLevel(logging.WARNING)
        monkeypatch.setattr(logging, "lastResort", last)

        def body() -> None:
            logger.info("a")
            logger.warning("b")

        in_body(Notes(), body)

        assert last.messages == ["b"]

    def test_a_record_that_it_hands_over_itself_is_shown(self, root: logging.Logger) -> None:
        """Such a record has passed no level, here or there."""
        shown, notes = Shown(), Notes()
        root.addHandler(shown)
        kept = logging.makeLogRecord({"name": "app.far", "levelno": 10, "msg": "a"})

        in_body(notes, lambda: logging.getLogger("app.far").handle(kept))

        assert shown.messages == ["a"]
        assert notes.messages == []


class TestWrapping:
    def test_the_methods_are_back_when_nobody_needs_them(self, captured: capture.Capture) -> None:
        captured.begin()
        assert _methods().items().isdisjoint(PLAIN.items())
        captured.end()
        assert _methods().items().isdisjoint(PLAIN.items())
        captured.end()

        assert _methods() == PLAIN
        assert {each.__module__ for each in PLAIN.values()} == {"logging"}
        captured.begin()

    def test_a_wrapper_that_the_program_puts_around_ours_stays(
        self,
        logger: logging.Logger,
        captured: capture.Capture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        inner, passed, notes = logging.Logger.callHandlers, [], Notes()

        def around(self: logging.Logger, record: logging.LogRecord) -> None:
            passed.append(record.getMessage())
            inner(self, record)

        monkeypatch.setattr(logging.Logger, "callHandlers", around)
        captured.end()
        assert logging.Logger.callHandlers is around
        in_body(notes, lambda: logger.warning("a"))
        captured.begin()
        in_body(notes, lambda: logger.warning("b"))

        assert passed == ["a", "b"]
        assert notes.messages == ["app.part: b"]
        captured.end()
        monkeypatch.setattr(logging.Logger, "callHandlers", PLAIN["callHandlers"])
        captured.begin()


class Where(logging.Handler):
    """Notes the functions that have logged."""

    def __init__(self) -> None:
        super().__init__()
        self.functions: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.functions.append(record.funcName)


class TestRecordsThatNobodySees:
    def test_none_is_made_of_a_line_that_the_program_does_not_show(
        self, logger: logging.Logger
    ) -> None:
        notes = Notes()

        def body() -> None:
            logger.info("a %s", 1)
            logger.log(logging.INFO, "a %s", 2)
            logger.warning("b")  # shown
            logger.info("c", extra={"key": 1})
            logger.info("d", stack_info=True)

        in_body(notes, body)

        assert notes.messages == [f"app.part: {each}" for each in ("a 1", "a 2", "b", "c", "d")]
        assert notes.without_record == 2

    def test_a_method_that_the_program_has_replaced_before_is_called(
        self,
        logger: logging.Logger,
        captured: capture.Capture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        captured.end()
        plain, notes = logging.Logger.info, Notes()

        def shouting(self: logging.Logger, msg: object, *args: object, **options: Any) -> None:
            plain(self, f"{msg}!", *args, **options)

        monkeypatch.setattr(logging.Logger, "info", shouting)
        captured.begin()

        in_body(notes, lambda: logger.info("a"))

        assert notes.messages == ["app.part: a!"]
        captured.end()
        monkeypatch.setattr(logging.Logger, "info", plain)
        captured.begin()

    def test_a_level_that_is_no_number_is_refused_as_ever(self, logger: logging.Logger) -> None:
        with pytest.raises(TypeError, match="level must be an integer"):
            in_body(Notes(), lambda: logger.log("INFO", "a"))  # type: ignore[arg-type]  # the test

    def test_a_filter_sees_a_record(self, logger: logging.Logger) -> None:
        notes = Notes()
        logger.addFilter(lambda record: record.msg != "secret")

        def body() -> None:
            logger.info("a")
            logger.info("secret")

        in_body(notes, body)

        assert (notes.messages, notes.without_record) == (["app.part: a"], 0)

    def test_a_factory_of_the_program_makes_it(
        self, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Hiding(logging.LogRecord):
            def getMessage(self) -> str:  # noqa: N802 - the name that logging calls
                return "hidden"

        notes = Notes()
        monkeypatch.setattr(logging, "_logRecordFactory", Hiding)

        in_body(notes, lambda: logger.info("a"))

        assert (notes.messages, notes.without_record) == (["app.part: hidden"], 0)

    def test_a_logger_of_a_class_of_its_own_makes_it(self) -> None:
        class Own(logging.Logger):
            pass

        notes, own = Notes(), Own("app.own")
        own.parent = logging.getLogger()

        in_body(notes, lambda: own.info("a"))

        assert (notes.messages, notes.without_record) == (["app.own: a"], 0)

    def test_a_level_that_is_set_later_counts(self, logger: logging.Logger) -> None:
        notes = Notes()

        def body() -> None:
            logger.info("a")
            logging.getLogger("app").setLevel(logging.WARNING)
            logger.info("b")
            logging.getLogger("app").setLevel(logging.NOTSET)
            logging.disable(logging.INFO)
            logger.info("c")
            logging.disable(logging.NOTSET)
            logger.info("d")

        in_body(notes, body)

        assert notes.messages == ["app.part: a", "app.part: d"]

    def test_a_record_says_who_has_logged(self, logger: logging.Logger) -> None:
        where = Where()
        logger.addHandler(where)
        logger.setLevel(logging.DEBUG)

        def within() -> None:
            logger.info("of its caller", stacklevel=2)

        def body() -> None:
            logger.warning("a")
            logger.info("b", extra={"key": 1})
            logger.info("c")
            logger.debug("d")
            logger.log(logging.INFO, "e")
            within()

        body()
        in_body(Notes(), body)

        assert where.functions == ["body"] * 12

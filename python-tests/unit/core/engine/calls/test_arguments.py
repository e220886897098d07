"""A user's arguments become requests and filters, or a refusal that names the parameter."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import Enum, StrEnum
from types import SimpleNamespace
from typing import Any

import pytest
from tables import each_row

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.submission import Submissions
from cloaca_core.definition.task import task
from cloaca_core.engine.calls import arguments as module
from cloaca_core.engine.calls.arguments import (
    RUNS_PER_COMMIT,
    Requests,
    Selection,
    checked_run_id,
    numbered,
)
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.errors import (
    AmbiguousWorkflowError,
    ConfigError,
    ConfigTypeError,
    ContextTypeError,
    ContextValueError,
    InputError,
    RunNotFoundError,
    WorkflowNotFoundError,
)
from cloaca_core.run.rows import RunFilter
from cloaca_core.values.ids import first_id_of
from cloaca_core.values.times.no_limit import NO_LIMIT

NAN = float("nan")


RUN_ID = "019b0000-0000-7000-8000-000000000000"


def noop(context: Context) -> None:
    """A task's function."""


def define(registry: Registry, name: str, **options: Any) -> None:
    with WorkflowBuilder(name, registry=registry, **options):
        task(id="t")(noop)


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    define(registry, "flow")
    return registry


@pytest.fixture
def requests(registry: Registry) -> Requests:
    return Requests(registry, DefaultRunnerConfig(max_active_runs=3, max_context_bytes=1024))


class Parent:
    """The body of an attempt, as it calls."""

    def __init__(self, attempt: int = 1) -> None:
        self.attempt = Attempt.__new__(Attempt)
        self.attempt.item = None
        self.attempt.owner = SimpleNamespace(id="run", cancelled=False)  # type: ignore[assignment]  # all that is asked
        self.attempt.task = SimpleNamespace(id="task")  # type: ignore[assignment]  # all that is asked
        self.attempt.number = attempt
        self.attempt.calls = 0

    def calls(self, function: Callable[[], Any]) -> Any:
        token = CURRENT_WORK.set(self.attempt)
        try:
            return function()
        finally:
            CURRENT_WORK.reset(token)


# -- one request ---------------------------------------------------------------------------------


@each_row(
    ("context", "text", "data"),
    [
        (None, "{}", {}),
        ({}, "{}", {}),
        ({"a": (1, 2)}, '{"a":[1,2]}', {"a": [1, 2]}),
        (Context({"b": 1, "a": "ü"}), '{"b":1,"a":"ü"}', {"b": 1, "a": "ü"}),
    ],
)
def test_an_input_may_have_every_form(
    requests: Requests, context: Any, text: str, data: dict[str, Any]
) -> None:
    request = requests.request("flow", [context])

    assert (request.texts, request.data) == ([text], [data])


def test_a_request_keeps_nothing_of_what_the_caller_may_still_change(requests: Requests) -> None:
    context = Context({"a": 1})
    request = requests.request("flow", [context])
    context["a"] = 2

    assert request.data == [{"a": 1}]


@each_row("context", [7, "text", ["list"], [("a", 1)], object()])
def test_an_input_of_another_type_is_refused(requests: Requests, context: Any) -> None:
    with pytest.raises(ContextTypeError, match=r"^context must be a Context, a mapping or None, "):
        requests.request("flow", [context])


def test_a_bad_value_is_refused_with_its_path(requests: Requests) -> None:
    with pytest.raises(ContextValueError) as caught:
        requests.request("flow", [{"orders": [{"price": NAN}]}])

    assert caught.value.path == "orders[0].price"


@each_row(("length", "is_refused"), [(1024, False), (1025, True)])
def test_the_size_of_an_input_is_bounded_in_bytes(
    requests: Requests, length: int, is_refused: bool
) -> None:
    # {"a":"…"} is eight bytes and the text; "ü" is two bytes, "x" one.
    text = "ü" * 500 + "x" * (length - 1008)
    if not is_refused:
        assert len(requests.request("flow", [{"a": text}]).texts[0].encode()) == length
        return
    with pytest.raises(
        ContextValueError, match=r"context is 1025 bytes .* max_context_bytes is 1024"
    ):
        requests.request("flow", [{"a": text}])


def test_an_input_that_its_workflow_does_not_take_is_refused_and_no_default_is_filled_in(
    requests: Requests, registry: Registry
) -> None:
    with WorkflowBuilder("typed", registry=registry) as builder:
        builder.input(workflow_params(n=int, most=(int, 7)))
        task(id="a")(lambda context: None)

    request = requests.request("typed", [{"n": 1, "more": 2}])
    assert request.texts == ['{"n":1,"more":2}']
    with pytest.raises(InputError, match=r'^n: expected an integer, got "1"$'):
        requests.request("typed", [{"n": "1"}])
    many: list[list[dict[str, Any]]] = [[{"n": 1}, {}], [{"n": 1}, *[{}] * RUNS_PER_COMMIT]]
    for contexts in many:
        with pytest.raises(InputError) as caught:
            next(requests.many(Submissions("typed", contexts)))
        assert caught.value.path == "contexts[1].n"
        assert (caught.value.wanted, caught.value.met) == ("an integer", "nothing")


def test_an_unknown_workflow_is_a_failed_execution(requests: Requests) -> None:
    with pytest.raises(
        WorkflowNotFoundError,
        match=r"^Workflow execution failed: .*Workflow not found in registry: nowhere",
    ) as caught:
        requests.request("nowhere", [None])

    assert caught.value.name == "nowhere"


def test_the_workflow_is_asked_for_before_the_input(requests: Requests) -> None:
    with pytest.raises(WorkflowNotFoundError):
        requests.request("nowhere", [{"a": NAN}])


# -- keys and tags -------------------------------------------------------------------------------


class Colour(StrEnum):
    """Text that prints as its value."""

    RED = "red"


class Shade(str, Enum):  # noqa: UP042 - what is tested is that it prints otherwise
    """Text that prints as its name."""

    DARK = "dark"


def test_tags_are_stored_as_json_and_none_as_an_empty_object(requests: Requests) -> None:
    assert requests.request("flow", [None], tags={"b": "ü", "a": "1"}).tags == '{"b":"ü","a":"1"}'
    assert requests.request("flow", [None]).tags == "{}"


@each_row("text", ["k", "x" * 255, "日本", "'; --", Colour.RED, Shade.DARK])
def test_a_text_is_taken_as_it_is(requests: Requests, text: str) -> None:
    request = requests.request("flow", [None], idempotency_key=text)

    assert request.idempotency_key == text
    assert type(request.idempotency_key) is str


@each_row("text", [Colour.RED, Shade.DARK])
def test_what_is_stored_and_what_is_looked_for_are_the_same_text(
    requests: Requests, text: str
) -> None:
    stored = requests.request("flow", [None], tags={text: text}).tags
    wanted = requests.run_filter(Selection(tags={text: text}), 1, None).tags

    assert stored == f'{{"{text.value}":"{text.value}"}}'  # type: ignore[attr-defined]  # an enum
    assert [list(map(type, pair)) for pair in wanted] == [[str, str]]


_NOT_TEXTS: list[tuple[object, type[ConfigError]]] = [
    (7, ConfigTypeError),
    (b"k", ConfigTypeError),
    ("", ConfigError),
    ("x" * 256, ConfigError),
    ("a\0", ConfigError),
    ("\udc80", ConfigError),
]


@each_row(("value", "kind"), _NOT_TEXTS)
def test_what_is_no_text_is_refused_by_the_name_of_its_parameter(
    requests: Requests, value: Any, kind: type[ConfigError]
) -> None:
    calls: dict[str, Callable[[], object]] = {
        "idempotency_key": lambda: requests.request("flow", [None], idempotency_key=value),
        "tags['a']": lambda: requests.request("flow", [None], tags={"a": value}),
        "a key of tags": lambda: requests.request("flow", [None], tags={value: "a"}),
        "before": lambda: requests.run_filter(Selection(), 1, value),
    }
    for field, call in calls.items():
        with pytest.raises(kind) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.field == field
        assert str(caught.value).startswith(f"{field} must ")


def test_a_refusal_shows_the_beginning_of_a_long_text_only(requests: Requests) -> None:
    with pytest.raises(ConfigError) as caught:
        requests.request("flow", [None], idempotency_key="x" * 1_000_000)

    assert len(str(caught.value)) < 300


@each_row("tags", [["a"], "a", 7, {("a", "b")}])
def test_tags_that_are_no_mapping_are_refused(requests: Requests, tags: Any) -> None:
    with pytest.raises(ConfigTypeError, match=r"^tags must be a mapping, not ") as caught:
        requests.request("flow", [None], tags=tags)

    assert caught.value.field == "tags"


# -- from within a body --------------------------------------------------------------------------


@each_row(
    ("stored", "limit"),
    [(None, None), (1_500_000, 1.5), (60_000_000, timedelta(minutes=1)), (-1, NO_LIMIT)],
)
def test_a_time_limit_is_taken_over_for_one_run_and_for_many(
    requests: Requests, stored: int | None, limit: Any
) -> None:
    (many,) = requests.many(Submissions("flow", [{}], time_limit=limit))

    assert requests.request("flow", [{}], time_limit=limit).time_limit == stored
    assert many.time_limit == stored


@each_row(
    ("limit", "kind", "message"),
    [
        ("5", ConfigTypeError, "time_limit must be a number of seconds or a timedelta or "),
        (True, ConfigTypeError, "time_limit must be a number of seconds or a timedelta or "),
        (0, ConfigError, "time_limit must be greater than 0, got 0; "),
        (NAN, ConfigError, "time_limit must be 0 to 1000000000 seconds, got nan"),
    ],
)
def test_another_time_limit_is_refused(
    requests: Requests, limit: Any, kind: type[ConfigError], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        requests.request("flow", [{}], time_limit=limit)
    assert (type(caught.value), caught.value.field) == (kind, "time_limit")
    with pytest.raises(kind, match=message):
        next(requests.many(Submissions("flow", [], time_limit=limit)), None)


def test_outside_of_a_body_there_is_no_key_by_default(requests: Requests) -> None:
    request = numbered(requests.request("flow", [None]))

    assert (request.idempotency_key, request.further_keys, request.parent) == (None, (), None)


def test_a_body_numbers_its_calls(requests: Requests) -> None:
    """So that it finds the same runs when it is run again."""
    parent = Parent()
    made = [parent.calls(lambda: numbered(requests.request("flow", [None]))) for _ in range(2)]

    assert [request.idempotency_key for request in made] == ["run::task::1", "run::task::2"]
    assert [request.further_keys for request in made] == [[], []]
    assert [request.parent for request in made] == [parent.attempt] * 2


def test_many_runs_of_a_body_are_not_numbered(requests: Requests) -> None:
    """A generator may give others the next time."""
    parent = Parent()
    (request,) = parent.calls(lambda: list(requests.many(Submissions("flow", [None, None]))))

    assert (request.idempotency_key, request.parent) == (None, parent.attempt)


def test_a_further_attempt_has_a_further_key(requests: Requests) -> None:
    parent = Parent(attempt=3)
    request = parent.calls(lambda: numbered(requests.request("flow", [None])))

    assert request.idempotency_key == "run::task::1"
    assert request.further_keys == ["run::task::1::2", "run::task::1::3"]


def test_a_run_that_has_failed_is_begun_again_only_if_that_is_asked(requests: Requests) -> None:
    def order(**options: Any) -> Any:
        return requests.request("flow", [None], idempotency_key="k", **options).retry

    assert (order(), order(failed_policy="keep")) == (None, None)
    asked = order(failed_policy="retry")
    assert (asked.kind, asked.reason) == ("retry", "submitted again")


@each_row(
    ("policy", "key", "error"),
    [
        ("again", "k", ConfigError),
        ("", "k", ConfigError),
        (None, "k", ConfigTypeError),
        (True, "k", ConfigTypeError),
        ("retry", None, ConfigError),
    ],
)
def test_a_policy_for_failed_runs_is_a_word_and_needs_a_key(
    requests: Requests, policy: Any, key: str | None, error: type[ConfigError]
) -> None:
    with pytest.raises(error, match=r"^failed_policy") as caught:
        requests.request("flow", [None], idempotency_key=key, failed_policy=policy)

    assert caught.value.field == "failed_policy"


def test_a_key_of_ones_own_takes_the_place_of_the_number(requests: Requests) -> None:
    parent = Parent(attempt=2)
    first = parent.calls(lambda: numbered(requests.request("flow", [None], idempotency_key="mine")))
    second = parent.calls(lambda: numbered(requests.request("flow", [None])))

    assert (first.idempotency_key, first.further_keys) == ("mine", ())
    assert second.idempotency_key == "run::task::1"


# -- many ----------------------------------------------------------------------------------------


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUNS_PER_COMMIT", 4)


def test_ten_thousand_runs_are_one_commit() -> None:
    assert module.RUNS_PER_COMMIT == 10_000


@pytest.mark.usefixtures("small_commits")
@each_row(("length", "sizes"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_many_are_cut_into_commits(requests: Requests, length: int, sizes: list[int]) -> None:
    made = list(requests.many(Submissions("flow", [{"n": n} for n in range(length)], {"a": "b"})))

    assert [len(request.texts) for request in made] == sizes
    assert [text for request in made for text in request.texts] == [
        f'{{"n":{n}}}' for n in range(length)
    ]
    assert {request.tags for request in made} <= {'{"a":"b"}'}


def test_only_what_can_begin_at_once_is_kept_as_data(requests: Requests) -> None:
    (request,) = requests.many(Submissions("flow", [{"n": n} for n in range(8)]))

    assert len(request.texts) == 8
    assert request.data == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_even_none_are_refused_for_an_unknown_workflow(requests: Requests) -> None:
    with pytest.raises(WorkflowNotFoundError):
        list(requests.many(Submissions("nowhere", [])))


@each_row("contexts", [{"n": 1}, Context(), "text", b"bytes", 7, None])
def test_what_are_not_many_is_refused(requests: Requests, contexts: Any) -> None:
    with pytest.raises(
        ConfigTypeError, match=r"^contexts must be an iterable of contexts"
    ) as caught:
        list(requests.many(Submissions("flow", contexts)))

    assert caught.value.field == "contexts"


def test_bad_tags_are_refused_although_there_is_nothing_to_tag(requests: Requests) -> None:
    with pytest.raises(ConfigTypeError, match="tags"):
        list(requests.many(Submissions("flow", [], {"a": 1})))  # type: ignore[dict-item]  # refused


@pytest.mark.usefixtures("small_commits")
@each_row("make", [list, tuple, deque])
def test_a_sequence_is_checked_to_its_end_before_anything_is_given(
    requests: Requests, make: Callable[[list[Any]], Any]
) -> None:
    given: list[object] = []
    with pytest.raises(ContextValueError, match=r"^contexts\[6\]\.n: "):
        given.extend(requests.many(Submissions("flow", make([{"n": 1}] * 6 + [{"n": NAN}]))))

    assert given == []


@pytest.mark.usefixtures("small_commits")
def test_a_generator_is_read_as_it_goes(requests: Requests) -> None:
    read: list[int] = []

    def contexts() -> Iterator[dict[str, float]]:
        for n in range(12):
            read.append(n)
            yield {"n": NAN if n == 6 else n}

    many = requests.many(Submissions("flow", contexts()))
    assert read == []
    assert len(next(many).texts) == 4
    assert read == [0, 1, 2, 3]
    with pytest.raises(ContextValueError, match=r"^contexts\[6\]\.n: "):
        next(many)


@each_row(
    ("context", "path", "message"),
    [
        ({"a": NAN}, "contexts[1].a", r"^contexts\[1\]\.a: (?!a: )"),
        ({"a b": [NAN]}, 'contexts[1]["a b"][0]', r"^contexts\[1\]"),
        (7, "contexts[1]", r"^contexts\[1\]: context must be a Context"),
        ({"a": "x" * 2000}, "contexts[1]", r"^contexts\[1\]: context is 2008 bytes long"),
    ],
)
def test_a_refusal_names_the_place_among_many(
    requests: Requests, context: Any, path: str, message: str
) -> None:
    with pytest.raises((ContextValueError, ContextTypeError), match=message) as caught:
        list(requests.many(Submissions("flow", [None, context])))

    assert caught.value.path == path
    assert str(caught.value).startswith(f"{caught.value.path}: ")


# -- filters -------------------------------------------------------------------------------------


def test_without_conditions_a_filter_wants_everything(requests: Requests) -> None:
    assert requests.run_filter(Selection(), 100, None) == RunFilter(limit=100)


def test_conditions_are_taken_over(requests: Requests) -> None:
    wanted = requests.run_filter(Selection("Failed", "flow", {"b": "1", "a": "2"}), 5, RUN_ID)

    expected_tags = (("b", "1"), ("a", "2"))
    assert wanted == RunFilter(("Failed",), "public::embedded::flow", expected_tags, RUN_ID, 5)


@each_row("status", ["Pending", "Running", "Completed", "Failed", "Cancelled"])
def test_every_state_of_a_run_can_be_asked_for(requests: Requests, status: str) -> None:
    assert requests.run_filter(Selection(status), 1, None).statuses == (status,)


def test_several_states_can_be_asked_for(requests: Requests) -> None:
    wanted = requests.run_filter(Selection(["Failed", "Cancelled"]))

    assert wanted == RunFilter(("Failed", "Cancelled"), limit=sys.maxsize)


@each_row("status", [[], (), set()])
def test_no_state_at_all_is_a_mistake(requests: Requests, status: Any) -> None:
    with pytest.raises(ConfigError, match=r"^status must name a state, or be None for any$"):
        requests.run_filter(Selection(status))


def test_instants_bound_the_ids_as_well_by_a_day_more(requests: Requests) -> None:
    selection = Selection(since="2026-03-02T00:00:00Z", until="2026-03-04T00:00:00Z")
    wanted = requests.run_filter(selection)

    day = 86_400_000_000
    assert wanted.since is not None
    assert wanted.until == wanted.since + 2 * day
    assert wanted.after == first_id_of(wanted.since - day)
    assert wanted.before == first_id_of(wanted.until + day)
    assert requests.run_filter(selection, 1, "0" + RUN_ID[1:]).before == "0" + RUN_ID[1:]
    assert requests.run_filter(selection, 1, "f" + RUN_ID[1:]).before == wanted.before


@each_row("name", ["since", "until"])
@each_row(
    ("value", "kind"), [("soon", ConfigError), (7, ConfigTypeError), ("2026-03-02", ConfigError)]
)
def test_an_instant_that_is_none_is_refused_by_name(
    requests: Requests, name: str, value: Any, kind: type[ConfigError]
) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        requests.run_filter(Selection(**{name: value}))
    assert (type(caught.value), caught.value.field) == (kind, name)


@each_row("name", ["parent_id", "error"])
@each_row("value", [7, "", "a\0", "x" * 256])
def test_a_text_that_none_can_have_is_refused_by_name(
    requests: Requests, name: str, value: Any
) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must "):
        requests.run_filter(Selection(**{name: value}))


@each_row("status", ["completed", "", "Skipped"])
def test_another_state_is_refused_with_those_that_there_are(
    requests: Requests, status: str
) -> None:
    accepted = "Pending, Running, Waiting, Paused, Cancelling, Completed, Failed, Cancelled"
    with pytest.raises(ConfigError, match=f"^status must be one of {accepted}, got ") as caught:
        requests.run_filter(Selection(status), 1, None)

    assert caught.value.field == "status"


@each_row("status", [7, [7], {}, b"Failed"])
def test_a_state_of_another_type_is_refused(requests: Requests, status: Any) -> None:
    with pytest.raises(ConfigTypeError, match=r"^status must be a .*, not ") as caught:
        requests.run_filter(Selection(status), 1, None)

    assert caught.value.field == "status"


@each_row("limit", [1, 100, sys.maxsize])
def test_a_limit_may_be_as_large_as_an_integer_of_the_database(
    requests: Requests, limit: int
) -> None:
    assert requests.run_filter(Selection(), limit, None).limit == limit


@each_row(
    ("limit", "kind"),
    [
        (0, ConfigError),
        (-1, ConfigError),
        (sys.maxsize + 1, ConfigError),
        pytest.param(10**5000, ConfigError, id="of more digits than Python writes"),
        (True, ConfigTypeError),
        ("1", ConfigTypeError),
        (1.0, ConfigTypeError),
        (None, ConfigTypeError),
    ],
)
def test_another_limit_is_refused(requests: Requests, limit: Any, kind: type[ConfigError]) -> None:
    with pytest.raises(ConfigError, match=r"^limit must be ") as caught:
        requests.run_filter(Selection(), limit, None)

    assert (type(caught.value), caught.value.field) == (kind, "limit")


@each_row(
    ("name", "namespace"),
    [
        ("flow", "public::embedded::flow"),
        ("t::p::w", "t::p::w"),
        # Registered elsewhere only: its runs can be listed here.
        ("other", "public::embedded::other"),
        ("a::b::c", "a::b::c"),
        # The longest that there is.
        ("::".join(["x" * 255] * 3), "::".join(["x" * 255] * 3)),
    ],
)
def test_a_listing_finds_a_workflow_by_each_of_its_names(
    requests: Requests, registry: Registry, name: str, namespace: str
) -> None:
    define(registry, "w", tenant="t", package="p")

    assert requests.run_filter(Selection(workflow_name=name), 1, None).workflow == namespace


def test_a_short_name_that_several_have_is_refused_with_the_candidates(
    requests: Requests, registry: Registry
) -> None:
    define(registry, "flow", tenant="t")

    with pytest.raises(AmbiguousWorkflowError) as caught:
        requests.run_filter(Selection(workflow_name="flow"), 1, None)

    assert set(caught.value.candidates) == {"public::embedded::flow", "t::embedded::flow"}


@each_row("name", ["", "a\0", "\udc80", "t::p::\udc80", "x" * 770])
def test_a_name_that_no_workflow_can_have_is_refused_before_the_database_is_asked(
    requests: Requests, name: str
) -> None:
    with pytest.raises(ValueError, match=r"^workflow_name "):
        requests.run_filter(Selection(workflow_name=name), 1, None)


# -- run ids -------------------------------------------------------------------------------------


@each_row("run_id", ["", "r", "0" * 500, "'; DROP TABLE runs; --"])
def test_a_run_id_may_be_any_text_that_can_be_stored(run_id: str) -> None:
    assert checked_run_id(run_id) == run_id


@each_row("run_id", ["\0", "\udc80", "x" * 100_000])
def test_an_id_that_cannot_be_stored_is_no_runs(run_id: str) -> None:
    with pytest.raises(RunNotFoundError) as caught:
        checked_run_id(run_id)

    assert caught.value.run_id == run_id


@each_row("run_id", [7, None, b"r"])
def test_an_id_of_another_type_is_refused(run_id: Any) -> None:
    with pytest.raises(ConfigTypeError, match=r"^run_id must be a str, not ") as caught:
        checked_run_id(run_id)

    assert caught.value.field == "run_id"

"""``@task``: from a plain function and its options to a checked, immutable ``Task``.

Options are checked when ``task(...)`` is called, the function when it is decorated; checks that
need the other tasks of the workflow (do the dependencies exist?) run when it is built. The
decorated function stays unchanged: nothing here wraps or runs it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar, overload

from cloaca_core.definition.callables import call_signature, is_async_callable, wrapped_signature
from cloaca_core.definition.context import Context
from cloaca_core.definition.fingerprint import UNLESS_EMPTY, UNLESS_NONE
from cloaca_core.definition.limits.limit import LimitLike, LimitUse, limit_uses
from cloaca_core.definition.maps.options import ITEM_NAMES, MapOptions, MapSource, map_options
from cloaca_core.definition.retries.policy import RetryCondition, RetryPolicy, policy_from_arguments
from cloaca_core.definition.rules import Rule
from cloaca_core.definition.written_rules import parse_rule
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import above_zero, wrong_type
from cloaca_core.values.namespace import check_name
from cloaca_core.values.node import Node, Reference, TaskFunction, is_reference
from cloaca_core.values.option_names import (
    ItemPolicyName,
    MapResultsName,
    RetryBackoffName,
    RetryConditionName,
)
from cloaca_core.values.queue_names import checked_queue
from cloaca_core.values.times.no_limit import NoLimit

if TYPE_CHECKING:
    from cloaca_core.definition.computation.invoked_graph import InvokedGraph
    from cloaca_core.definition.waits.kinds import NodeWait

OnSuccess: TypeAlias = Callable[[str, Context], object]
OnFailure: TypeAlias = Callable[[str, str, Context], object]
OnCancel: TypeAlias = Callable[[str, Context], object]
ErrorClasses: TypeAlias = type[BaseException] | Sequence[type[BaseException]]
RetryOn: TypeAlias = (
    RetryConditionName | RetryCondition | ErrorClasses | Callable[[BaseException], bool]
)

FunctionT = TypeVar("FunctionT", bound=TaskFunction)

HANDLE_NAMES: Final = frozenset({"handle", "task_handle"})


class GraphLike(Protocol):
    """A computation graph of the program, by its name."""

    @property
    def NAME(self) -> str:  # noqa: N802 - the public name
        """The name of the graph."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a workflow, every reference resolved to short ids of that workflow.

    ``dependencies`` are in declared order. ``timeout_seconds`` None means the runner's default,
    ``rule`` None the default rule, ``executor`` None the runner's own process, ``queue`` None that
    of its run. A task with a ``wait`` is a node without a body: its ``function`` is never called.
    That of a task with a ``map`` is called for each item. ``limits`` are in order of their names.
    ``invokes`` is the name of a computation graph, which the ``function`` runs.
    """

    id: str
    function: TaskFunction
    dependencies: tuple[str, ...]
    retry: RetryPolicy
    timeout_seconds: float | NoLimit | None
    rule: Rule | None
    on_success: OnSuccess | None
    on_failure: OnFailure | None
    on_cancel: OnCancel | None
    is_async: bool
    wants_handle: bool
    wait: NodeWait | None = field(default=None, metadata=UNLESS_NONE)
    executor: str | None = field(default=None, metadata=UNLESS_NONE)
    map: MapOptions | None = field(default=None, metadata=UNLESS_NONE)
    queue: str | None = field(default=None, metadata=UNLESS_NONE)
    limits: tuple[LimitUse, ...] = field(default=(), metadata=UNLESS_EMPTY)
    invokes: str | None = field(default=None, metadata=UNLESS_NONE)
    transactional: bool = field(default=False, metadata=UNLESS_EMPTY)


@dataclass(frozen=True, slots=True)
class Options:
    """Checked options of ``task(...)``; dependencies and rule as the user wrote them."""

    id: str | None
    dependencies: tuple[Reference, ...]
    retry: RetryPolicy
    timeout_seconds: float | NoLimit | None
    rule: Rule | None
    on_success: OnSuccess | None
    on_failure: OnFailure | None
    on_cancel: OnCancel | None
    executor: str | None = None
    map: MapOptions | None = None
    queue: str | None = None
    limits: tuple[LimitUse, ...] = ()
    invokes: str | None = None
    transactional: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredTask:
    """A decorated function and its options: a task whose references are not resolved yet. Or a
    node without a body, by its ``wait``.
    """

    id: str
    function: TaskFunction
    wants_handle: bool
    options: Options
    wait: NodeWait | None = None

    def resolved(self, dependencies: tuple[str, ...], rule: Rule | None) -> Task:
        """Make the task, with its resolved references."""
        return Task(
            id=self.id,
            function=self.function,
            dependencies=dependencies,
            retry=self.options.retry,
            timeout_seconds=self.options.timeout_seconds,
            rule=rule,
            on_success=self.options.on_success,
            on_failure=self.options.on_failure,
            on_cancel=self.options.on_cancel,
            is_async=is_async_callable(self.function),
            wants_handle=self.wants_handle,
            wait=self.wait,
            executor=self.options.executor,
            map=self.options.map,
            queue=self.options.queue,
            limits=self.options.limits,
            invokes=self.options.invokes,
            transactional=self.options.transactional,
        )

    @classmethod
    def again(cls, task: Task) -> DeclaredTask:
        """Turn a task back into a declaration, to include it in another build of its workflow."""
        options = Options(
            id=task.id,
            dependencies=task.dependencies,
            retry=task.retry,
            timeout_seconds=task.timeout_seconds,
            rule=task.rule,
            on_success=task.on_success,
            on_failure=task.on_failure,
            on_cancel=task.on_cancel,
            executor=task.executor,
            map=task.map,
            queue=task.queue,
            limits=task.limits,
            invokes=task.invokes,
            transactional=task.transactional,
        )
        return cls(task.id, task.function, task.wants_handle, options, task.wait)


class Collector(Protocol):
    """Receives decorated functions: the builder whose block is open."""

    def declare(self, declared: DeclaredTask) -> None:
        """Take one more task, or raise and take nothing."""


current_collector: ContextVar[Collector | None] = ContextVar("current_collector", default=None)
"""The innermost open block. Threads and asyncio tasks inherit a copy, but the block belongs to
the code that opened it: the collector refuses their tasks."""


@overload
def task(function: FunctionT, /) -> FunctionT: ...


@overload
def task(
    *,
    id: str | None = None,
    dependencies: Sequence[Reference] | None = None,
    retry: RetryPolicy | None = None,
    retry_attempts: int | None = None,
    retry_backoff: RetryBackoffName | None = None,
    retry_delay_ms: int | None = None,
    retry_max_delay_ms: int | None = None,
    retry_condition: RetryOn | None = None,
    retry_jitter: bool | None = None,
    on_success: OnSuccess | None = None,
    on_failure: OnFailure | None = None,
    on_cancel: OnCancel | None = None,
    invokes: GraphLike | None = None,
    post_invocation: Callable[[Context], object] | None = None,
    trigger_rules: Mapping[str, object] | None = None,
    timeout_seconds: float | NoLimit | None = None,
    executor: str | None = None,
    map: MapSource | None = None,
    label: str | None = None,
    max_parallel: int | None = None,
    item_policy: ItemPolicyName | None = None,
    results: MapResultsName | None = None,
    queue: str | None = None,
    limits: Sequence[LimitLike] | None = None,
    transactional: bool = False,
) -> Callable[[FunctionT], FunctionT]: ...


def task(
    function: FunctionT | None = None,
    /,
    *,
    id: str | None = None,  # noqa: A002 - the public name of the parameter
    dependencies: Sequence[Reference] | None = None,
    retry: RetryPolicy | None = None,
    retry_attempts: int | None = None,
    retry_backoff: RetryBackoffName | None = None,
    retry_delay_ms: int | None = None,
    retry_max_delay_ms: int | None = None,
    retry_condition: RetryOn | None = None,
    retry_jitter: bool | None = None,
    on_success: OnSuccess | None = None,
    on_failure: OnFailure | None = None,
    on_cancel: OnCancel | None = None,
    invokes: GraphLike | None = None,
    post_invocation: Callable[[Context], object] | None = None,
    trigger_rules: Mapping[str, object] | None = None,
    timeout_seconds: float | NoLimit | None = None,
    executor: str | None = None,
    map: MapSource | None = None,  # noqa: A002 - the public name of the parameter
    label: str | None = None,
    max_parallel: int | None = None,
    item_policy: ItemPolicyName | None = None,
    results: MapResultsName | None = None,
    queue: str | None = None,
    limits: Sequence[LimitLike] | None = None,
    transactional: bool = False,
) -> FunctionT | Callable[[FunctionT], FunctionT]:
    """Make the decorated function a task of the workflow whose builder block is open.

    ``@task`` alone takes every default. The function is called with the task's ``Context``, and
    with a ``TaskHandle`` as well if its second positional parameter is named ``handle`` or
    ``task_handle``. It may be ``async`` and stays the plain function. Its return value is the
    task's output: a returned ``Context`` as a whole, a mapping as an update of its context; for
    None, its context as the body left it.

    Options are keywords; None means the default, which stands last in each line.

    * ``id``: 1 to 255 characters without ``::``; the function's name
    * ``dependencies``: a list of ids, functions or nodes, also of tasks further down; none
    * ``retry``: a ``RetryPolicy``, in place of all ``retry_*``; none
    * ``retry_attempts``: attempts in all, 0 and 1 mean one; 3
    * ``retry_backoff``: ``"fixed"``, ``"linear"`` or ``"exponential"``; exponential
    * ``retry_delay_ms``: milliseconds before the second attempt; 1000
    * ``retry_max_delay_ms``: milliseconds, the cap of all delays; 60000
    * ``retry_condition``: ``"never"``, ``"transient"``, ``"all"``, a ``RetryCondition``, exception
      classes or a function of the exception that returns a bool; all
    * ``retry_jitter``: whether each delay is spread by ±25 %; True
    * ``on_success``: called as ``on_success(task_id, context)`` with the output; none
    * ``on_failure``: called as ``on_failure(task_id, error, context)`` after each failed attempt,
      with the error as text and the input; none
    * ``on_cancel``: called as ``on_cancel(task_id, context)`` with the input, in place of
      ``on_failure``, when a cancel of the run cuts the body off; none
    * ``trigger_rules``: a rule made by ``always``, ``all_of``, ``any_of``, ``none_of`` or one of
      their conditions; the task runs when no dependency failed
    * ``timeout_seconds``: seconds of one attempt in the body, above 0, or ``cloaca.NO_LIMIT``; the
      runner's ``task_timeout_seconds``
    * ``executor``: the name of one of the runner's executors, in whose workers the body runs; the
      runner's own process
    * ``map``: the function is called for each item of a list, or of an object with labels as keys:
      a key of the context, a tuple of keys, or the list itself; not a map. Its parameters after the
      first are bound by name: ``item`` and ``handle``. It returns the item's result, any JSON
      value. ``label``: the field of each item that is its label. ``max_parallel``: items between
      their first start and their end at once; 1,000. ``item_policy``: ``"finish"``, ``"stop"`` or
      ``"collect"``; finish. ``results``: ``"list"`` or ``"rows"``; list
    * ``queue``: the name of a queue: the body runs only in runners that serve it; the queue of its
      run, which is that of ``submit``, else that of the builder, else ``default``
    * ``limits``: a list of limits, each a ``Limit``, its ``key(...)`` or its name: the body runs
      only as they allow, together with all other bodies that have them; none
    * ``invokes``: a ``ComputationGraphBuilder`` whose block has ended: its graph runs after the
      body, and the value of each terminal comes into the context under the name of its node; none
    * ``post_invocation``: called as ``post_invocation(context)`` after that graph; what it returns
      is taken as what a body returns; none
    * ``transactional``: whether ``handle.connection`` is a transaction in the runner's database
      that commits together with the record of the task's success, or not at all; False

    ``DefinitionError`` (ValueError) or ``DefinitionTypeError`` (TypeError) names the option, what
    was given and what is accepted.
    """
    _refuse_text(function)
    graph = _invoked(invokes, post_invocation)
    checked = Options(
        id=None if id is None else check_name(id, "task(id=...)"),
        dependencies=checked_dependencies(dependencies),
        retry=policy_from_arguments(
            retry=retry,
            retry_attempts=retry_attempts,
            retry_backoff=retry_backoff,
            retry_delay_ms=retry_delay_ms,
            retry_max_delay_ms=retry_max_delay_ms,
            retry_condition=retry_condition,
            retry_jitter=retry_jitter,
        ),
        timeout_seconds=_checked_timeout(timeout_seconds),
        rule=None if trigger_rules is None else parse_rule(trigger_rules),
        on_success=_checked_callback("on_success", on_success, "task_id", "context"),
        on_failure=_checked_callback("on_failure", on_failure, "task_id", "error", "context"),
        on_cancel=_checked_callback("on_cancel", on_cancel, "task_id", "context"),
        executor=None if executor is None else check_name(executor, "task(executor=...)"),
        map=map_options(
            map, label=label, max_parallel=max_parallel, item_policy=item_policy, results=results
        ),
        queue=None if queue is None else checked_queue("task(queue=...)", queue),
        limits=() if limits is None else limit_uses("task(limits=...)", limits),
        invokes=None if graph is None else graph.NAME,
        transactional=_checked_transactional(transactional, executor, map),
    )
    around = None if graph is None else functools.partial(graph.body, post=post_invocation)
    if function is not None:
        return _declare(checked, around, function)
    return functools.partial(_declare, checked, around)


def _declare(
    options: Options, around: Callable[..., TaskFunction] | None, function: FunctionT
) -> FunctionT:
    collector = current_collector.get()
    if collector is None:
        raise no_open_block()
    if options.map is None:
        with_handle = takes_handle(function)
    else:
        parameters = item_parameters(function)
        with_handle = not HANDLE_NAMES.isdisjoint(parameters)
        options = replace(options, map=replace(options.map, parameters=parameters))
    task_id = options.id or _name_of(function)
    if options.transactional and not with_handle:
        raise DefinitionError(
            f"task(transactional=True): task {task_id!r} takes no handle, and so has no "
            "handle.connection: write its parameters (context, handle)"
        )
    is_item = options.map is not None
    called = function if around is None else around(function, is_item=is_item)
    collector.declare(DeclaredTask(task_id, called, with_handle, options))
    return function


def no_open_block(hint: str = "") -> DefinitionError:
    """Make the error for a task outside any block; the caller raises it."""
    return DefinitionError(
        "No workflow context available. Tasks must be defined within a WorkflowBuilder "
        f"context manager.{hint}"
    )


# -- the options ---------------------------------------------------------------------------------


def _refuse_text(function: object) -> None:
    if isinstance(function, str):
        raise DefinitionTypeError(
            f"task() takes keyword arguments only: @task(id={function!r:.80})"
        )


def _invoked(invokes: object, post_invocation: object) -> InvokedGraph | None:
    if invokes is None:
        if post_invocation is not None:
            raise DefinitionError(
                "@cloaca.task: `post_invocation` requires `invokes=...` to be set"
            )
        return None
    # Imported here: few tasks invoke a graph, and each module is time to the first result.
    from cloaca_core.definition.computation.invoked_graph import invoked_graph

    return invoked_graph(invokes, post_invocation)


def checked_dependencies(given: Sequence[Reference] | None) -> tuple[Reference, ...]:
    """The dependencies of a task as they are given, each of them a reference."""
    if given is None:
        return ()
    # Not any iterable: a string would be a list of characters, and a set has no order.
    if not isinstance(given, list | tuple):
        raise DefinitionTypeError(
            "dependencies must be a list of task ids or functions, got "
            f"{type(given).__name__}; one dependency is written [{_shown(given)}]"
        )
    for index, dependency in enumerate(given):
        if not is_reference(dependency):
            raise DefinitionTypeError(
                f"Dependency {index} must be either a string or a function object with "
                f"__name__ attribute, got {type(dependency).__name__}"
            )
    return tuple(given)


def _shown(given: object) -> str:
    if isinstance(given, Node):
        return repr(given.id)
    return getattr(given, "__name__", None) or repr(given)


def _checked_timeout(seconds: float | NoLimit | None) -> float | NoLimit | None:
    if seconds is None or isinstance(seconds, NoLimit):
        return seconds
    return above_zero("timeout_seconds", seconds, otherwise=" or cloaca.NO_LIMIT")


def _checked_transactional(
    transactional: object, executor: str | None, source: MapSource | None
) -> bool:
    """Refuse options that would take the body, or the record of its success, elsewhere."""
    if not isinstance(transactional, bool):
        raise wrong_type("transactional", "a bool", transactional)
    if not transactional:
        return False
    if executor is not None:
        raise DefinitionError(
            "task(transactional=True) has no executor=: its body runs in the runner's own process, "
            f"beside its connection, got executor={executor!r}"
        )
    if source is not None:
        raise DefinitionError(
            "task(transactional=True) has no map=: write all items in one body, or map a child "
            "workflow with a transactional task"
        )
    return True


CallbackT = TypeVar("CallbackT", bound="OnSuccess | OnFailure | OnCancel")


def _checked_callback(
    parameter: str, callback: CallbackT | None, *arguments: str
) -> CallbackT | None:
    """The callback; raises if its signature does not accept these arguments."""
    if callback is None:
        return None
    if not callable(callback):
        raise wrong_type(parameter, "callable", callback)
    if (signature := call_signature(callback)) is not None:
        try:
            signature.bind(*arguments)
        except TypeError as error:
            name = getattr(callback, "__qualname__", type(callback).__qualname__)
            raise DefinitionTypeError(
                f"{parameter} is called as {parameter}({', '.join(arguments)}), and "
                f"{name}{signature} cannot be called so: {error}"
            ) from error
    return callback


# -- the function --------------------------------------------------------------------------------


def _name_of(function: TaskFunction) -> str:
    name = getattr(function, "__name__", None)
    if name is None:
        raise DefinitionError(
            f"task(id=...) is required for a {type(function).__name__}, which has no __name__"
        )
    return check_name(name, "the task's id, taken from its function's name,")


def takes_handle(function: TaskFunction) -> bool:
    """True when the function wants a task handle; raises when it cannot be a task's body."""
    _check_function(function)
    signature = call_signature(function)
    if signature is None:
        return False
    with_handle = _second_is_handle(signature) or _hands_it_on(function, signature)
    _check_arguments(function, signature, count=2 if with_handle else 1)
    return with_handle


def item_parameters(function: TaskFunction) -> tuple[str, ...]:
    """The parameters after the first with which the body of a map is called, by their names; raises
    when it cannot be one.
    """
    _check_function(function)
    signature = call_signature(function)
    if signature is None or any(
        each.kind is each.VAR_KEYWORD for each in signature.parameters.values()
    ):
        signature = wrapped_signature(function) or signature
    if signature is None:
        return ()
    parameters = list(signature.parameters.values())
    others = [
        each.name
        for each in parameters[1:]
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    names = tuple([name for name in others if name in ITEM_NAMES])
    try:
        signature.bind(None, **dict.fromkeys(names))
    except TypeError as error:
        raise _no_body_of_map(function, error) from error
    if parameters[0].name in ITEM_NAMES or (others and not names):
        raise _no_body_of_map(function, f"its parameters are {signature}")
    return names


def _no_body_of_map(function: TaskFunction, reason: object) -> DefinitionTypeError:
    return DefinitionTypeError(
        "The function of a map is called with its context, and by name with item and handle; "
        f"{function!r} cannot be called so: {reason}"
    )


def _check_function(function: TaskFunction) -> None:
    if not callable(function):
        raise DefinitionTypeError(
            f"@task decorates a function, got {type(function).__name__}; "
            "its options are keywords: @task(id=...)"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionTypeError(f"A task function must not yield: {function!r}")


def _second_is_handle(signature: inspect.Signature) -> bool:
    positional = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return len(positional) > 1 and positional[1] in HANDLE_NAMES


def _hands_it_on(function: TaskFunction, signature: inspect.Signature) -> bool:
    """True when a wrapper without a named handle takes one for the wrapped function."""
    wrapped = wrapped_signature(function)
    if wrapped is None or not _second_is_handle(wrapped):
        return False
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return True


def _check_arguments(function: TaskFunction, signature: inspect.Signature, count: int) -> None:
    try:
        signature.bind(*(None,) * count)
    except TypeError as error:
        raise DefinitionTypeError(
            "A task function is called with its context, and with a second argument only if that "
            f"is named handle or task_handle; {function!r} cannot be called so: {error}"
        ) from error

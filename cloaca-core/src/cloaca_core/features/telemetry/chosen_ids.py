"""Spans with ids of our choice, and the tracer that makes them.

The API of OpenTelemetry has no ids to choose: the tracer of its SDK asks a generator, which it has
as an attribute. Where a tracer has none, spans get ids of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import TraceFlags

from cloaca_core._version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Link, SpanContext, SpanKind, Tracer, TracerProvider
    from opentelemetry.trace.span import TraceState

NAME: Final = "cloaca"
"""The name of the instrumentation scope."""


class IdGenerator(Protocol):
    """As the SDK has it."""

    def generate_span_id(self) -> int:
        """A new id of a span."""

    def generate_trace_id(self) -> int:
        """A new id of a trace."""

    def is_trace_id_random(self) -> bool:
        """Whether ids of traces are random."""


class ChosenIds:
    """Gives a thread the ids that it has chosen, otherwise ids of the wrapped generator."""

    def __init__(self, within: IdGenerator) -> None:
        self._within = within
        self._chosen = threading.local()

    @contextmanager
    def chosen(self, trace_id: int, span_id: int) -> Iterator[None]:
        """A block that starts one span, with these ids."""
        self._chosen.ids = (trace_id, span_id)
        try:
            yield
        finally:
            self._chosen.ids = None

    def generate_span_id(self) -> int:
        """The chosen id, or a new one."""
        ids: tuple[int, int] | None = getattr(self._chosen, "ids", None)
        return self._within.generate_span_id() if ids is None else ids[1]

    def generate_trace_id(self) -> int:
        """The chosen id, or a new one."""
        ids: tuple[int, int] | None = getattr(self._chosen, "ids", None)
        return self._within.generate_trace_id() if ids is None else ids[0]

    def is_trace_id_random(self) -> bool:
        """As the generator within says; ours are hashes of random ids."""
        asked = getattr(self._within, "is_trace_id_random", None)
        return bool(asked()) if callable(asked) else False


class Tracers:
    """The tracer of a provider; by default of the provider that the program sets, at any time."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider
        self._known: tuple[Tracer, ChosenIds | None] | None = None

    @property
    def tracer(self) -> Tracer:
        """The tracer."""
        return self._found()[0]

    @property
    def chooses(self) -> bool:
        """Whether ids can be chosen."""
        return self._found()[1] is not None

    def choosing(self, trace_id: int, span_id: int) -> AbstractContextManager[None]:
        """A block that starts one span, with these ids if they can be chosen."""
        ids = self._found()[1]
        return nullcontext() if ids is None else ids.chosen(trace_id, span_id)

    def sampled(
        self,
        parent: SpanContext | None,
        trace_id: int,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        links: Sequence[Link],
    ) -> tuple[TraceFlags, TraceState | None]:
        """Whether the SDK's sampler would take such a span, as flags, and the state that it gives
        the trace. Without a sampler a span follows its parent, and is taken if it has none.
        """
        sampler = getattr(self.tracer, "sampler", None)
        if sampler is None:
            flags = TraceFlags(TraceFlags.SAMPLED) if parent is None else parent.trace_flags
            return flags, None
        found = sampler.should_sample(within(parent), trace_id, name, kind, attributes, links)
        flag = TraceFlags.SAMPLED if found.decision.is_sampled() else TraceFlags.DEFAULT
        return TraceFlags(flag), found.trace_state

    def _found(self) -> tuple[Tracer, ChosenIds | None]:
        if self._known is not None:
            return self._known
        provider = self._provider or trace.get_tracer_provider()
        tracer = provider.get_tracer(NAME, __version__)
        found = (tracer, _ids_of(tracer))
        if not isinstance(provider, trace.ProxyTracerProvider):  # else it is to be set yet
            self._known = found
        return found


def _ids_of(tracer: Tracer) -> ChosenIds | None:
    """Put our generator in the place of the tracer's own."""
    within = getattr(tracer, "id_generator", None)
    if within is None or isinstance(within, ChosenIds):
        return within
    ids = ChosenIds(within)
    tracer.id_generator = ids  # type: ignore[attr-defined]  # an attribute of the SDK's tracers
    return ids


def within(parent: SpanContext | None) -> Context:
    """The context of a span below this one, or of one without a parent."""
    if parent is None:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())

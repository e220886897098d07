"""Tells of workflows that a command does not know: those that are recorded in the database, or that
the program defines, are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import WorkflowNotFoundError
from cloaca_core.values.arguments import nearest_name
from cloaca_core.values.namespace import SEPARATOR
from cloaca_tools.cli.failures import Failure, code_of
from cloaca_tools.cli.output import note

if TYPE_CHECKING:
    from cloaca_core.client.client import Client
    from cloaca_tools.cli.where import Where

_WAITS: Final = "its runs will wait for a runner that has it"
SHOWN: Final = 10
"""Names that are listed at most."""


def recorded_names(client: Client) -> list[str]:
    """The full and short names of workflows that are recorded or registered with a client."""
    from cloaca_tools.observer import Observer

    lines = Observer(client).workflows().wait()
    return [name for each in lines for name in (each.workflow, each.workflow_name)]


def note_unknown(where: Where, client: Client, workflow: str) -> None:
    """Note that no runner has recorded a workflow, nor does the program define it: it may come
    later, or be misspelt.
    """
    known = recorded_names(client)
    if workflow not in known and (registry := where.registry()) is not None:
        known += registry.names()
    if workflow not in known:
        _note(workflow, known, _WAITS)


def note_unrecorded(client: Client, workflow: str) -> None:
    """Note that no runner has recorded a workflow that is paused or resumed: it may come later, or
    be misspelt.
    """
    if workflow not in (known := recorded_names(client)):
        _note(workflow, known, "this counts once one has it")


def _note(workflow: str, known: Iterable[str], end: str) -> None:
    near = nearest_name(workflow, known)
    hint = f" (did you mean {near!r}?)" if near else ""
    note(f"No runner has recorded a workflow {workflow!r} here{hint}: {end}.")


@contextmanager
def naming_known(known: Callable[[], Iterable[str]]) -> Iterator[None]:
    """A workflow that is not found within the block ends the command with the names of others."""
    try:
        yield
    except WorkflowNotFoundError as error:
        listed = listed_names(error.name, known())
        raise Failure("\n".join([str(error), *listed]), code_of(error)) from error


def listed_names(wanted: str, known: Iterable[str]) -> list[str]:
    """A line with the nearest short name and the first of the others; none if there are none."""
    names = sorted({each for each in known if SEPARATOR not in each})
    if not names:
        return []
    near = nearest_name(wanted, names)
    ordered = list(dict.fromkeys([*([near] if near else []), *names]))
    more = len(ordered) - SHOWN
    end = f" and {more:,} more" if more > 0 else ""
    return [f"Known workflows: {', '.join(ordered[:SHOWN])}{end}"]

"""The versions of a workflow in its last runs, and what each of them has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloaca_core.definition.version_change import VersionChange, compared, fingerprints
from cloaca_core.definition.workflow import Workflow
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.rfc3339 import rfc3339

if TYPE_CHECKING:
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.version_change import Fingerprints
    from cloaca_tools.views.run.reading import RunView


@dataclass(frozen=True, slots=True)
class VersionLine(Shown):
    """A version: how many of the last runs have it, when the first and the last of them were made,
    and the tasks that differ from the version before it, as far as both are known.
    """

    version: str
    runs: int
    first_run: str | None
    last_run: str | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def version_lines(
    current: Workflow | RecordedWorkflow, runs: Sequence[RunView]
) -> tuple[VersionLine, ...]:
    """The versions of runs, which are newest first, then the version that counts now."""
    of: dict[str, list[RunView]] = {current.version: []}
    for view in runs:
        of.setdefault(view.row.version, []).append(view)
    known = {version: _fingerprints(views) for version, views in of.items()}
    known[current.version] = _of_definition(current)
    earlier: list[Fingerprints | None] = [*list(known.values())[1:], None]
    return tuple(
        [
            _line(version, of[version], _change(known[version], before))
            for version, before in zip(of, earlier, strict=True)
        ]
    )


def _line(version: str, views: Sequence[RunView], change: VersionChange) -> VersionLine:
    made = [view.row.created_at for view in views]
    return VersionLine(
        version=version,
        runs=len(views),
        first_run=rfc3339(min(made)) if made else None,
        last_run=rfc3339(max(made)) if made else None,
        added=change.added,
        removed=change.removed,
        changed=change.changed,
    )


def _change(later: Fingerprints | None, earlier: Fingerprints | None) -> VersionChange:
    return VersionChange() if later is None or earlier is None else compared(earlier, later)


def _fingerprints(views: Sequence[RunView]) -> Fingerprints | None:
    """Those of a version whose runs these are; runs of a version share a definition."""
    definition = views[0].definition if views else None
    return None if definition is None else _of_definition(definition)


def _of_definition(definition: Workflow | RecordedWorkflow) -> Fingerprints | None:
    return fingerprints(definition) if isinstance(definition, Workflow) else definition.fingerprints

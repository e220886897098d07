"""Makes the proof on the page of promises from results that are kept in ``docs/proof``.

``invoke chaos --keep`` and ``invoke simulate --keep`` write the results. The page holds them
between two comments, and a check says when the page is not what the results make.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dev.console import TaskFailed
from dev.project import ROOT, version

PAGE: Final = ROOT / "docs" / "explanation" / "promises.md"
RESULTS: Final = ROOT / "docs" / "proof"
BEGIN: Final = "<!-- made by `invoke docs.promises` -->\n"
END: Final = "<!-- end of what is made -->\n"
BROKEN: Final = "broken engine: "
"""With this the names of broken engines begin in their list."""


def keep(name: str, result: Mapping[str, Any]) -> None:
    """Keep the last result of this name, with its day and the version that it was made of."""
    facts = {"day": f"{datetime.now(UTC):%Y-%m-%d}", "version": version(), **result}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def write() -> None:
    """Write the proof on the page anew."""
    PAGE.write_text(_page(), encoding="utf-8")


def check() -> None:
    """Fails when the page is not what the results make."""
    if PAGE.read_text(encoding="utf-8") != _page():
        raise TaskFailed("docs/explanation/promises.md has drifted: invoke docs.promises")


def _page() -> str:
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise TaskFailed(f"{PAGE.name} lacks the comments between which its proof is")
    return f"{before}{BEGIN}\n{made()}\n{END}{after}"


def made() -> str:
    """The proof, in Markdown."""
    parts = [_chaos(one) for name in ("sqlite", "postgres") if (one := _result(f"chaos-{name}"))]
    parts += [_simulated(one)] if (one := _result("simulation")) else []
    parts += [_broken(one)] if (one := _result("broken")) else []
    parts += [_snapshot(one)] if (one := _result("snapshot")) else []
    return "\n".join(parts)


def _result(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _chaos(result: dict[str, Any]) -> str:
    """A long run on one backend: faults against outcomes, promises against what was looked at."""
    minutes, seeds = result["seconds"] / 60, result["seeds"]
    told = f"{minutes:.0f} minutes of faults, seeds {seeds[0]} to {seeds[-1]}"
    lines = [
        *_head(f"Chaos on {_title(result['backend'])}", "invoke chaos", result, told),
        "| fault | times | calls refused | longest until a call was answered again |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {row['times']} | {row['refused']} | {row['worst']:.1f} s |"
        for name, row in result["faults"].items()
    ]
    lines += ["", "| promise, and what was looked at | number | broken |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {row['looked_at']:,} | {row['broken']} |"
        for name, row in result["promises"].items()
    ]
    return "\n".join([*lines, ""])


def _simulated(result: dict[str, Any]) -> str:
    first, last, stories = result["first"], result["last"], result["stories"]
    told = f"seeds {first:,} to {last:,}, {stories:,} stories; nothing was broken"
    return "\n".join(_head("Simulation", "invoke simulate", result, told))


def _broken(result: dict[str, Any]) -> str:
    """Engines that are broken on purpose, each with what noticed it."""
    told = "each engine is told stories until one is noticed that breaks a promise"
    head = _head("Engines that are broken on purpose", "invoke simulate --broken", result, told)
    lines = [*head, "| what is broken | noticed at |", "|---|---|"]
    return "\n".join([*lines, *_rows(result["engines"]), ""])


def _head(title: str, command: str, result: dict[str, Any], told: str) -> list[str]:
    made = f"`{command}` of {result['day']}, version {result['version']}"
    return [f"### {title}", "", f"{made}: {told}.", ""]


def _rows(engines: Mapping[str, str]) -> Iterator[str]:
    for name, noticed in engines.items():
        yield f"| {name.removeprefix(BROKEN)} | {noticed.replace('|', '/')} |"


def _snapshot(result: dict[str, Any]) -> str:
    """The arena's load while another session of PostgreSQL holds a snapshot."""
    (rate, rate_then), (p95, p95_then) = result["rates"], result["p95s"]
    told = (
        "another session of PostgreSQL holds a snapshot for ten minutes, so that no dead row can be"
        f" removed; {result['accepted']:,} runs were accepted, {result['lost']} were lost"
    )
    command = "python -m benchmarks.arena snapshot_of_ten_minutes"
    lines = [
        *_head("A snapshot that is held for ten minutes", command, result, told),
        "| | before | meanwhile |",
        "|---|---:|---:|",
        f"| runs completed each second | {rate:.0f} | {rate_then:.0f} |",
        f"| milliseconds until a run is claimed, 95 of 100 | {p95:.0f} | {p95_then:.0f} |",
        f"| dead rows of runs at the end | | {result['dead']:,} |",
    ]
    return "\n".join([*lines, ""])


def _title(backend: str) -> str:
    return {"sqlite": "SQLite", "postgres": "PostgreSQL"}.get(backend, backend)

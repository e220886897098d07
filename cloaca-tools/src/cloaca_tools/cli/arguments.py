"""Types of options: durations, pairs, a context of several sources."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cloaca_tools.duration_texts import seconds_of

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # only newer versions of click know its type
    _ParamType = click.ParamType

_NEGATED: Final = re.compile(r"-[a-z]+[.:]", re.IGNORECASE)


class DurationType(_ParamType):
    """``90``, ``2.5s``, ``10m`` or ``1d12h``: seconds. ``none`` as well, if that ``may_be``."""

    name = "duration"

    def __init__(self, *, may_be_none: bool = False) -> None:
        self._may_be_none = may_be_none

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The seconds of a text, or ``NO_LIMIT``."""
        if not isinstance(value, str):
            return value
        if self._may_be_none and value.lower() == "none":
            from cloaca_core.values.times.no_limit import NO_LIMIT

            return NO_LIMIT
        seconds = seconds_of(value.strip())
        if seconds is None:
            otherwise = ", or none" if self._may_be_none else ""
            self.fail(f"{value!r} is no duration such as 90s, 10m or 1d12h{otherwise}", param, ctx)
        return seconds


class CommandWithTerms(click.Command):
    """A command that takes terms of a filter, also those with ``-``, which are no options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put terms such as ``-status:failed`` behind ``--``; their order does not matter."""
        end = args.index("--") if "--" in args else len(args)
        terms = [each for each in args[:end] if _NEGATED.match(each)]
        others = [each for each in args[:end] if not _NEGATED.match(each)]
        return super().parse_args(ctx, [*others, "--", *terms, *args[end + 1 :]])


DURATION: Final = DurationType()
LIMIT: Final = DurationType(may_be_none=True)


def read_json(text: str, hint: str) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint=hint) from error


def tags_of(pairs: Iterable[str]) -> dict[str, str] | None:
    """Tags of ``KEY=VALUE``; None for none."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not (key and sign):
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--tag")
        found[key] = value
    return found or None


def context_of(file: str | None, pairs: Iterable[str]) -> dict[str, Any]:
    """The context of a file with a JSON object, if any, and of ``-P`` pairs, which count more."""
    found = dict(_file(file)) if file is not None else {}
    for pair in pairs:
        found.update([_pair(pair)])
    return found


def _pair(pair: str) -> tuple[str, Any]:
    """``key=text``, or ``key:=`` and JSON."""
    key, sign, value = pair.partition("=")
    if not (key.rstrip(":") and sign):
        raise click.BadParameter(f"{pair!r} is neither KEY=TEXT nor KEY:=JSON", param_hint="-P")
    if key.endswith(":"):
        return key[:-1], read_json(value, f"-P {key[:-1]}")
    return key, value


def _file(name: str) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(str(error), param_hint="-f") from error
    found = read_json(text, f"-f {name}")
    if not isinstance(found, dict):
        raise click.BadParameter(f"{name} holds no JSON object", param_hint="-f")
    return found


def context_options(function: F) -> F:
    """Let a command take a context, as ``pairs`` and ``file``."""
    with_file = click.option(
        "-f", "--file", "file", metavar="FILE", help="A JSON object for the context; - is stdin."
    )(function)
    return click.option(
        "-P",
        "--param",
        "pairs",
        multiple=True,
        metavar="KEY=TEXT|KEY:=JSON",
        help="A key of the context; may be given again.",
    )(with_file)


def act_options(function: F) -> F:
    """Let a command take ``--reason`` and ``--by``, which the log of actions keeps."""
    with_by = by_option(function)
    return click.option("--reason", metavar="TEXT", help="Why, for the log of actions.")(with_by)


def by_option(function: F) -> F:
    """Let a command take ``--by``, which the log of actions keeps."""
    return click.option("--by", metavar="NAME", help="Who asks; you, at this host.")(function)


def item_option(function: F) -> F:
    """Let a command take ``--item``."""
    return click.option(
        "--item", metavar="ITEM", help="Only this item of a map: its name, as 'convert[17]'."
    )(function)


def item_options(function: F) -> F:
    """Let a command take ``--index`` or ``--label`` beside ``--task``."""
    with_label = click.option(
        "--label", metavar="LABEL", help="Only the item of the map TASK with this label."
    )(function)
    return click.option(
        "--index", type=click.IntRange(0), help="Only the item of the map TASK with this index."
    )(with_label)


def item_of(task: str | None, index: int | None, label: str | None) -> int | str | None:
    """The item that ``item_options`` name; None for none."""
    if index is None and label is None:
        return None
    if task is None or (index is not None and label is not None):
        raise click.UsageError("--index or --label is of the map that --task names")
    return label if index is None else index

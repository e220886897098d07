"""Asks which packages of the lock are known to be vulnerable, in the database that pip-audit asks
as well (https://osv.dev). Without an answer nothing fails: it says how many were not looked up.

pip-audit itself would bring some twenty packages into the lock for this one question.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Sequence
from typing import Any, Final

from dev.console import TaskFailed, say
from dev.environments import lock
from dev.project import LOCK

ADDRESS: Final = "https://api.osv.dev/v1/querybatch"
SECONDS: Final = 10.0
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)")


def check() -> None:
    """Fail with the packages that are known to be vulnerable."""
    pins = lock.pins(LOCK.read_text(encoding="utf-8"))
    known = [(found[1], found[2]) for pin in pins if (found := _PIN.match(pin))]
    skipped = len(pins) - len(known)
    try:
        answers = _asked(known)
    except (OSError, ValueError, KeyError) as error:
        say(f"  no answer of {ADDRESS} ({error}): {len(pins)} packages were not looked up")
        return
    say(f"  {len(known)} packages looked up, {skipped} skipped")
    vulnerable = [
        f"{name} {version}: {', '.join(each['id'] for each in answer['vulns'])}"
        for (name, version), answer in zip(known, answers, strict=True)
        if answer.get("vulns")
    ]
    if vulnerable:
        raise TaskFailed("known to be vulnerable:\n  " + "\n  ".join(vulnerable))


def _asked(known: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The answer for each package and version."""
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in known
    ]
    request = urllib.request.Request(
        ADDRESS,
        json.dumps({"queries": queries}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - a fixed https
        return list(json.load(answer)["results"])

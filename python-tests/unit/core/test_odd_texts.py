"""Each text that users, programs or rows give is read, or refused with an error of cloaca.

The texts of ``data/corpus`` are those of every day and those that were once hard; each goes to each
reader. Chance makes others of them only where ``CLOACA_TEST_SEED`` says so, as ``invoke chaos``
does: a text that it finds belongs to the corpus.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, seed, settings, strategies as st

import cloaca_core.values.queue_names as queues
from cloaca_core.definition.cron.fields import read_fields
from cloaca_core.definition.written_rules import parse_rule
from cloaca_core.errors import CloacaError
from cloaca_core.features.maps.names import checked_ref, may_be_item
from cloaca_core.store.urls import passwords_in, url_of
from cloaca_core.values.ids import is_run_id
from cloaca_core.values.limits.rates import read_rate
from cloaca_core.values.namespace import check_name
from cloaca_core.values.payloads.json_values import decode, encode, normalise, path_of
from cloaca_core.values.times.durations import read_seconds
from cloaca_core.values.times.given import checked_instant
from cloaca_core.values.times.retention import read_retention
from cloaca_tools.views.lists import filters

CORPUS: Final = Path(__file__).parents[2] / "data" / "corpus" / "texts.json"
TEXTS: Final[list[str]] = json.loads(CORPUS.read_text(encoding="utf-8"))
SEED: Final = os.environ.get("CLOACA_TEST_SEED")
EXAMPLES: Final = 3000


def json_input(text: str) -> None:
    """What the command line and the page take as a context."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    encoded = encode(normalise(value))
    assert encode(decode(encoded)) == encoded


READERS: Final[dict[str, Callable[[str], object]]] = {
    "cron": read_fields,
    "seconds": lambda text: read_seconds("delay", text),
    "instant": lambda text: checked_instant("run_at", text),
    "retention": lambda text: read_retention("retention", text),
    "rate": lambda text: read_rate("rate", text),
    "name": lambda text: check_name(text, "name"),
    "queue": lambda text: queues.checked_queue("queue", text),
    "item": checked_ref,
    "may be an item": may_be_item,
    "run id": is_run_id,
    "url": url_of,
    "passwords": passwords_in,
    "filter": filters.parse,
    "key path": path_of,
    "rule": parse_rule,
    "json": json_input,
}


def reads_or_refuses(text: str) -> None:
    for name, reader in READERS.items():
        try:
            reader(text)
        except CloacaError:
            continue
        except Exception as error:
            raise AssertionError(f"{name}: {text!r}") from error


def test_each_text_of_the_corpus_is_read_or_refused_by_each_reader() -> None:
    for text in TEXTS:
        reads_or_refuses(text)


_anything = st.text(st.characters(), max_size=60)
_cut = st.builds(
    lambda text, other, at: text[:at] + other + text[at:],
    st.sampled_from(TEXTS),
    st.sampled_from(TEXTS) | st.text(st.characters(), max_size=4),
    st.integers(0, 40),
)


@pytest.mark.skipif(SEED is None, reason="chance finds other texts in `invoke chaos` only")
def test_so_is_what_chance_makes_of_them() -> None:
    @seed(int(SEED or 0))
    @settings(max_examples=EXAMPLES, database=None)
    @given(_anything | _cut)
    def each(text: str) -> None:
        reads_or_refuses(text)

    each()

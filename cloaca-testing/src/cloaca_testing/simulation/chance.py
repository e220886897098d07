"""One random source for a whole story, and one process that lives, in the place of those of the
machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from cloaca_core.engine.orchestrate import orchestrator
from cloaca_core.engine.recover import lease, process_identity
from cloaca_core.values import ids


@contextmanager
def one_chance(seed: int) -> Iterator[None]:
    """Within, ids, numbers of runners and jitter follow from the seed, and so does ``random``
    of the bodies. The process of the runners is never read: it is that of the test, and lives.
    """
    chance = random.Random(f"engine {seed}")  # noqa: S311 - no secret
    made: Any = SimpleNamespace(
        SystemRandom=lambda: chance, Random=lambda: chance, uniform=chance.uniform
    )
    before = random.getstate()
    random.seed(seed)
    try:
        with (
            mock.patch.object(ids, "random", made),
            mock.patch.object(orchestrator, "random", made),
            mock.patch.object(lease, "secrets", SimpleNamespace(randbits=chance.getrandbits)),
            mock.patch.object(process_identity, "_stat", return_value=("R", 1)),
        ):
            yield
    finally:
        random.setstate(before)

"""What becomes of log records: nothing, unless the program or ``CLOACA_LOG`` wants them.

Loggers are named ``cloaca.…`` and put ids into a record's attributes (``extra``). A program that
sets logging up itself sees them as any other's; ``CLOACA_LOG=info`` shows them without that. No
other logger is ever touched.
"""

from __future__ import annotations

import logging
import os
from typing import Final

from cloaca_core.errors import ConfigError

VARIABLE: Final = "CLOACA_LOG"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_ROOT: Final = logging.getLogger("cloaca")
_SHOWN: Final = logging.StreamHandler()
_SHOWN.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))


def keep_quiet() -> None:
    """Without any handler ``logging`` itself would print warnings."""
    _ROOT.addHandler(logging.NullHandler())


def show_if_asked() -> None:
    """Do as ``CLOACA_LOG`` says; ``ConfigError`` when it says what there is not. Idempotent."""
    level = os.environ.get(VARIABLE, "").lower()
    if not level:
        return
    if level not in LEVELS:
        raise ConfigError(
            f"{VARIABLE} must be one of {', '.join(LEVELS)}, got {level!r}", field=VARIABLE
        )
    _ROOT.setLevel(level.upper())
    if not logging.getLogger().handlers:  # else the program shows them, and twice is too often
        _ROOT.addHandler(_SHOWN)

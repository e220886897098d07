"""Nothing on stdout or stderr unless asked: the ``cloaca`` loggers are silent by themselves.

A program that configures ``logging`` gets their records as usual; ``CLOACA_LOG=info`` (any level)
shows them on stderr without any. Sets no level of a logger that the user did not name.
"""

from __future__ import annotations

import logging
import os

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def arrange() -> None:
    """Set up the logger ``cloaca``; called once, when the package is imported."""
    logger = logging.getLogger("cloaca")
    logger.addHandler(logging.NullHandler())
    wanted = os.environ.get("CLOACA_LOG", "").upper()
    if wanted in logging.getLevelNamesMapping():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
        logger.setLevel(wanted)

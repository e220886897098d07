"""The program ``cloaca``, which is in ``cloaca-tools``.

It starts here and not in the package ``cloaca``, whose import costs as much as the whole command.
"""

from __future__ import annotations

import sys
from importlib import import_module

from cloaca_core.distributions import require
from cloaca_core.errors import MissingExtraError


def main() -> None:
    """Run the command line, or say what to install."""
    try:
        require("cloaca_tools", "The command line", extra="cli")
    except MissingExtraError as error:
        sys.exit(f"Error: {error}")
    import_module("cloaca_tools.cli.root").main()

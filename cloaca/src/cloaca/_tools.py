"""Says what to install when ``cloaca-tools`` is missing; imported before it."""

from cloaca_core.distributions import require

require("cloaca_tools", "cloaca.databases", extra="cli")

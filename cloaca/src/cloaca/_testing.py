"""Says what to install when ``cloaca-testing`` is missing; imported before it."""

from cloaca_core.distributions import require

require("cloaca_testing", "cloaca.testing", extra="testing")

"""The door to the tests that each backend must pass, which are in ``cloaca-testing``."""

from cloaca_core.distributions import require

require("cloaca_testing", "cloaca_core.conformance", extra="testing")

from cloaca_testing.conformance import (  # noqa: E402 - the line above says what is missing
    BackendConformance as BackendConformance,
    MessageOutboxConformance as MessageOutboxConformance,
    OutboxConformance as OutboxConformance,
    SharedBackendConformance as SharedBackendConformance,
    StoreConformance as StoreConformance,
    TransactionConformance as TransactionConformance,
)

__all__ = [
    "BackendConformance",
    "MessageOutboxConformance",
    "OutboxConformance",
    "SharedBackendConformance",
    "StoreConformance",
    "TransactionConformance",
]

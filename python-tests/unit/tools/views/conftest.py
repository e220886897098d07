"""The engine of the core's tests."""

from __future__ import annotations

from unit.core.conftest import host as host, own_registry as own_registry

"""What a test defines is gone after it."""

from __future__ import annotations

from own_registry import program_registry as program_registry

"""The types of executors that a runner takes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeAlias

ExecutorLike: TypeAlias = Executor | Callable[[], Executor]
"""An executor, which stays the user's, or a function that makes one for the runner."""

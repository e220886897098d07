"""Executors that settings name by their paths."""

from __future__ import annotations

from concurrent.futures import Executor

from model.executor_by_hand import ExecutorByHand

CPU = ExecutorByHand(3)
NONE = None


class Pools:
    @staticmethod
    def make() -> Executor:
        return ExecutorByHand()

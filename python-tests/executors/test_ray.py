"""Bodies on a local Ray. Only run when it is named: CONTRIBUTING says why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from executors import bodies
from executors.contract import WAIT, ExecutorContract, Open, executions, read
from executors.programs import environment

from cloaca import executors


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    """A Ray on this host, with two CPUs."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": {"PYTHONPATH": environment()["PYTHONPATH"]}},
    )
    yield
    ray.shutdown()


class TestRay(ExecutorContract):
    ends_bodies = True

    @pytest.fixture
    def given(self) -> executors.ray:
        """The ready-made value."""
        return executors.ray()

    def test_a_time_limit_ends_a_body_that_does_not_heed_it(
        self, open_on: Open, tmp_path: Path
    ) -> None:
        runner = open_on()
        run = runner.submit("deaf", bodies.pipes(tmp_path))
        read(tmp_path / "inside")
        run.result(WAIT).raise_for_status()

        assert executions(tmp_path) == [("t", 1), ("t", 2)]
        assert [each.error_type for each in run.attempts()] == ["TimeoutError", None]

"""The plugin gives each test a harness, also under unittest's and pytest's other ways."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import unittest

import cloaca
import pytest
from cloaca.testing import harness as made_by_hand

pytest_plugins = ["cloaca.testing.pytest_plugin"]

registry = cloaca.Registry()
with cloaca.WorkflowBuilder("flow", registry=registry):

    @cloaca.task
    def work(context):
        context.set("done", True)


@pytest.fixture(params=[None, "always"])
def harness_options(request):
    return {"registry": registry, "now": "2026-01-01T00:00:00Z", "evict": request.param}


@pytest.mark.parametrize("number", range(3))
def test_each_has_its_own(harness, number):
    assert harness.run("flow").context == {"done": True}
    assert harness.drain() == {"Completed": 1}
    assert harness.clock.now().year == 2026


class TestOfUnittest(unittest.TestCase):
    def setUp(self):
        self.h = self.enterContext(made_by_hand(registry))

    def test_it(self):
        self.assertEqual(self.h.run("flow").status, "Completed")
"""


def test_it_runs_in_a_project_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_flow.py").write_text(TESTS, "utf-8")
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, "test_flow.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout

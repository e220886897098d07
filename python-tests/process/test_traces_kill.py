"""A process is killed in a body: its run has one span all the same, made by who finishes it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

PROGRAM = """
import json, sys, threading
import cloaca
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

url, run_id = sys.argv[1:]
printed = threading.Event()

class Printed(SpanExporter):
    def export(self, spans):
        for span in spans:
            print(json.dumps(json.loads(span.to_json())), flush=True)
            if span.name == "task flow.first":
                printed.set()
        return SpanExportResult.SUCCESS

def work(context):
    if not run_id:
        printed.wait()  # a dependent begins before the engine's loop is told
        print("inside", flush=True)
        threading.Event().wait()

with cloaca.WorkflowBuilder("flow"):
    cloaca.task(id="first")(lambda context: None)
    cloaca.task(id="second", dependencies=["first"])(work)

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Printed()))
with cloaca.DefaultRunner(url, start=False) as runner:
    cloaca.otel.instrument(runner, tracer_provider=provider)
    runner.start()
    run = runner.get_run(run_id) if run_id else runner.submit("flow")
    run.result(60)
"""


def started(url: str, run_id: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, url, run_id]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def spans_of(lines: list[str]) -> dict[str, dict[str, Any]]:
    """The printed spans by their names."""
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert len({span["name"] for span in found}) == len(found)
    return {span["name"]: span for span in found}


def test_the_spans_of_two_processes_fit_together(database_url: str) -> None:
    lines = []
    with started(database_url) as victim:
        assert victim.stdout is not None
        for line in victim.stdout:
            if line == "inside\n":
                break
            lines.append(line)
        victim.kill()
        assert victim.wait() == -signal.SIGKILL
        lines += victim.stdout.readlines()
    before = spans_of(lines)
    run_id = before["submit flow"]["attributes"]["cloaca.run.id"]

    with started(database_url, run_id) as rescuer:
        assert rescuer.stdout is not None
        after = spans_of(rescuer.stdout.readlines())

    run, first, second = after["run flow"], before["task flow.first"], after["task flow.second"]
    assert run["attributes"]["cloaca.run.recoveries"] == 1
    assert [link["context"]["span_id"] for link in run["links"]] == [
        before["submit flow"]["context"]["span_id"]
    ]
    for task in (first, second):
        assert task["parent_id"] == run["context"]["span_id"]
        assert task["context"]["trace_id"] == run["context"]["trace_id"]
    assert run["start_time"] <= first["start_time"] < second["start_time"]
    assert set(after) == {"task flow.second", "run flow"}

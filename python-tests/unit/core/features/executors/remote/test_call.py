"""A call comes there as it was sent, to a worker of the same version."""

from __future__ import annotations

import json

import pytest

from cloaca_core._version import __version__
from cloaca_core.errors import ExecutorError
from cloaca_core.features.executors.remote.call import RemoteCall

CALL = RemoteCall(
    module="jobs",
    function="Jobs.crunch",
    is_async=False,
    wants_handle=True,
    run_id="r",
    task_id="t",
    number=2,
    epoch=7,
    cancel_file="/tmp/x/r-0-2",  # noqa: S108 - no file is made
)


def test_it_comes_as_it_was_sent() -> None:
    assert RemoteCall.from_json(CALL.to_json()) == CALL
    assert CALL.version == __version__


def test_a_worker_of_another_version_refuses_it_whatever_else_it_holds() -> None:
    text = json.dumps({"version": "0.1", "members": "unknown here"})

    with pytest.raises(ExecutorError) as caught:
        RemoteCall.from_json(text)

    assert str(caught.value) == (
        f"the runner has cloaca 0.1, and this worker {__version__}: "
        "install the same version on both"
    )

"""Live streams are counted while they are open."""

from __future__ import annotations

import pytest

from cloaca_core.ui.desk.streams import Streams
from cloaca_core.ui.refusals import RefusedError


def test_one_too_many_is_refused_until_another_ends() -> None:
    streams = Streams(most=2)
    with streams.one("ann"):
        with streams.one("bob"), pytest.raises(RefusedError, match="Many pages are open"):
            streams.one("cy").__enter__()
        with streams.one("cy"):
            pass


def test_one_visitor_leaves_streams_for_others() -> None:
    streams = Streams(most=3, each=1)
    with streams.one("ann"):
        with pytest.raises(RefusedError, match="Many pages are open"):
            streams.one("ann").__enter__()
        with streams.one("bob"):
            pass


def test_a_stream_that_breaks_is_open_no_more() -> None:
    streams = Streams(most=1)
    with pytest.raises(RuntimeError), streams.one("ann"):
        raise RuntimeError
    with streams.one("ann"):
        pass

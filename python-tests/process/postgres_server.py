"""A PostgreSQL server of one test file's own, which may be taken away and come back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev import scratch
from dev.databases import programs
from dev.databases.cluster import PREFIX, Cluster, note_keeper, url_of


class Server:
    """Listens on the same port whenever it is up."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        password = cluster.create()
        self._port = cluster.start(durable=False)
        self.url = url_of(password, self._port)

    def go_down(self) -> None:
        """End it as a crash would: every connection breaks, nothing is flushed."""
        self._cluster.stop(mode="immediate")

    def come_back(self) -> None:
        """Start it again; it recovers from its log."""
        self._cluster.start(durable=False, port=self._port)


@contextmanager
def server() -> Iterator[Server]:
    """A server in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(
        prefix=PREFIX, dir=scratch.folder(), ignore_cleanup_errors=True
    ) as name:
        binaries = programs.installed() or programs.embedded(Path(name) / "embedded")
        cluster = Cluster(Path(name), binaries)
        try:
            found = Server(cluster)
            note_keeper(cluster)
            yield found
        finally:
            cluster.remove()

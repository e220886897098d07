"""Who listens to workers, for tests."""

from __future__ import annotations

from cloaca_core.features.executors.remote.line_socket import SentLines


class Heard:
    """Keeps what it is told about one attempt."""

    def __init__(self) -> None:
        self.lines: list[SentLines] = []
        self.seconds: list[float] = []

    def take_lines(self, sent: SentLines) -> None:
        self.lines.append(sent)

    def begun(self, seconds: float) -> None:
        self.seconds.append(seconds)

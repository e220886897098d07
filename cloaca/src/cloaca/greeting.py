"""The two greetings by which programs for cloaca 0.x check that an installation works."""

from __future__ import annotations


def hello_world() -> str:
    """Say hello; proves that the package imports and needs no backend."""
    return "Hello from Cloaca backend!"


class HelloClass:
    """The same as an object."""

    def __init__(self) -> None:
        self._message = "Hello from HelloClass!"

    def get_message(self) -> str:
        """The greeting."""
        return self._message

    def __repr__(self) -> str:
        return f"HelloClass(message={self._message!r})"

"""The health is asked for now and then, and no page waits for it for long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cloaca_tools.doctor.glance import Glance
from cloaca_tools.ui.site import health as module
from cloaca_tools.ui.site.health import Health

FIRST, SECOND = Glance((), 1), Glance((), 2)


class Asked:
    """Answers in place of a database, once it is let."""

    def __init__(self) -> None:
        self.answers: Iterator[Glance | Exception] = iter(())
        self.may_answer = asyncio.Event()
        self.times = 0

    async def glance(self, _: object) -> Glance:
        self.times += 1
        await self.may_answer.wait()
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    asked.may_answer.set()
    monkeypatch.setattr(module, "glance", asked.glance)
    return asked


async def test_an_answer_is_kept(asked: Asked) -> None:
    asked.answers = iter((FIRST, SECOND))
    health = Health(None)  # type: ignore[arg-type]  # it is not asked

    assert [await health.look(), await health.look()] == [FIRST, FIRST]
    assert asked.times == 1


async def test_a_page_shows_the_one_before_while_another_is_read(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 0)
    monkeypatch.setattr(module, "PATIENCE", 0)
    asked.answers = iter((FIRST, SECOND))
    asked.may_answer.clear()
    health = Health(None)  # type: ignore[arg-type]  # it is not asked

    assert [await health.look(), await health.look()] == [None, None]
    assert asked.times == 1
    asked.may_answer.set()
    monkeypatch.setattr(module, "PATIENCE", None)
    assert await health.look() == FIRST


async def test_a_failure_keeps_the_one_before(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 0)
    asked.answers = iter((FIRST, OSError("gone"), SECOND))
    health = Health(None)  # type: ignore[arg-type]  # it is not asked

    assert [await health.look() for _ in range(3)] == [FIRST, FIRST, SECOND]

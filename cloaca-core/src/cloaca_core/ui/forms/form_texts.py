"""The texts of a form that a visitor who may act has sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.ui.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.ui.asking import Ask


async def given_to(ask: Ask) -> dict[str, str]:
    """The texts of the form by name, in lines that end as here; ``RefusedError`` as ``form``."""
    form = await ask.form()
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    return {name: text.replace("\r\n", "\n") for name, text in texts.items()}


def needed(given: Mapping[str, str], name: str) -> str:
    """A text without which the form means nothing."""
    if not (found := given.get(name, "")):
        raise RefusedError(422, "This form is not whole", f"It has no {name!r}.")
    return found

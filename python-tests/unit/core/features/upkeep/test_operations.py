"""Calls that delete runs: arguments that are refused before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.upkeep.operations import Prune

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller


@each_row(
    ("kind", "name", "arguments"),
    [
        (ConfigError, "before", ("soon", None, False)),
        (ConfigError, "before", ("2026-03-02T00:00:00", None, False)),  # no offset from UTC
        (ConfigTypeError, "before", (7, None, False)),
        (ConfigTypeError, "dry_run", (None, None, 1)),
    ],
)
def test_a_wrong_argument_of_a_prune_is_refused_by_name(
    kind: type[ConfigError], name: str, arguments: Any
) -> None:
    caller = cast("Caller", None)  # which is asked last
    with pytest.raises(ConfigError, match=name) as caught:
        Prune(*arguments).call(caller)

    assert (type(caught.value), caught.value.field) == (kind, name)

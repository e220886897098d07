"""The SQL statements of the kernel and of all features, as a backend words them."""

from __future__ import annotations

import cloaca_core.assembly.commit_parts  # all features name their statements
import cloaca_core.assembly.sql_store
from cloaca_core.store.sql.base import PayloadQueries, Statements, load_queries
from cloaca_core.store.sql.queries import Statement, Wording


def every_statement(package: str, wording: Wording) -> dict[str, Statement]:
    """The statements by name, of which none is used twice."""
    assert cloaca_core.assembly.commit_parts.COMMIT_PARTS
    assert cloaca_core.assembly.sql_store.__doc__
    queries = load_queries(package, wording)
    nouns = [each for each in Statements.__subclasses__() if each.__module__.startswith("cloaca")]
    found: dict[str, Statement] = {}
    for noun in nouns:
        if noun is not PayloadQueries or queries.payloads is not None:
            for each in queries.of(noun):
                assert each.name not in found, f"{each.name} is defined twice"
                found[each.name] = each
    return found

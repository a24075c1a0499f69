"""Types and expressions as the server itself writes them, so that texts can be compared.

EXPLAIN parses a text and writes it out again, without executing or changing anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from railway_release.postgres.failures import sqlstate
from railway_release.postgres.session import Connection, fetch, quote, savepoint

# Error classes of a syntax error, an unknown type, function or column, a missing privilege, a bad value.
_NOT_UNDERSTOOD = ("42", "22", "0A")
_FORBIDDEN = "42501"
_CAST = re.compile(r"column1\)?(?:::(?P<type>.+))?$", re.DOTALL)
_EXPLAIN = "EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT "


class Forbidden(Exception):
    """The role may not read that table."""


def types(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Each type as format_type would write it; a type that the server does not know is returned unchanged."""
    casts = [f"CAST(column1 AS {name})" for name in names]
    found = _outputs(connection, casts, "FROM (VALUES ('a'), ('b')) AS rows")
    return {name: _type(text) if text else name for name, text in zip(names, found, strict=True)}


def expressions(connection: Connection, schema: str, table: str, texts: Sequence[str]) -> dict[str, str]:
    """Each expression over the columns of a table as the server would write it.

    One that it does not understand is returned unchanged. Raises Forbidden.
    """
    # ONLY, or the plan of a partitioned table would have a node for each partition.
    where = f"FROM ONLY {quote(schema)}.{quote(table)}"
    found = _outputs(connection, [f"({text})" for text in texts], where)
    return {text: one or text for text, one in zip(texts, found, strict=True)}


def understood(connection: Connection, texts: Sequence[str], source: str = "") -> list[bool]:
    """Whether the server can make sense of each of these lists of expressions, over a FROM clause."""
    return [bool(one) for text in texts for one in _outputs(connection, [text or "1"], source)]


def say_the_same(connection: Connection, schema: str, table: str, one: str, other: str) -> bool:
    """Whether the planner can prove that two conditions over a table's columns allow the same rows."""
    # It looks for contradictions in the parts of a UNION ALL; OFFSET 0 keeps the table's own checks out.
    rows = f"SELECT * FROM (SELECT * FROM ONLY {quote(schema)}.{quote(table)} OFFSET 0) AS r"  # noqa: S608 - quoted
    source = f"FROM ({rows} UNION ALL {rows}) AS r"
    return all(
        _is_impossible(connection, f"{source} WHERE ({here}) AND NOT ({there})")
        for here, there in ((one, other), (other, one))
    )


def _is_impossible(connection: Connection, select: str) -> bool:
    try:
        with savepoint(connection):
            ((plan,),) = fetch(connection, f"{_EXPLAIN}{select}")
    except Exception as error:
        if not (sqlstate(error) or "").startswith(_NOT_UNDERSTOOD):
            raise
        return False
    document = json.loads(plan) if isinstance(plan, str) else plan
    return str(document[0]["Plan"].get("One-Time Filter")) == "false"


def default_opclasses(connection: Connection) -> frozenset[str]:
    """The operator classes that are the default of some type, so that naming them changes nothing."""
    rows = fetch(connection, "SELECT DISTINCT opcname::text FROM pg_catalog.pg_opclass WHERE opcdefault")
    return frozenset(name for (name,) in rows)


def _type(output: str) -> str:
    found = _CAST.search(output)
    return (found and found["type"]) or "text"  # VALUES are text already


def _outputs(connection: Connection, selects: Sequence[str], where: str) -> list[str]:
    """The server's text for each expression; empty for one that it does not understand."""
    if not selects:
        return []
    try:
        with savepoint(connection):
            ((plan,),) = fetch(connection, f"{_EXPLAIN}{', '.join(selects)} {where}")
    except Exception as error:
        code = sqlstate(error) or ""
        if code == _FORBIDDEN:
            raise Forbidden from error
        if not code.startswith(_NOT_UNDERSTOOD):
            raise
        if len(selects) == 1:
            return [""]
        return [text for select in selects for text in _outputs(connection, [select], where)]
    document = json.loads(plan) if isinstance(plan, str) else plan
    found = document[0]["Plan"].get("Output")
    return [str(text) for text in found] if found else [""] * len(selects)

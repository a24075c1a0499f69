"""Choices: what only a person can decide about a finding, each with the exact statements for it.

In the statements "<schema>" stands for the schema; `for_schema` puts its name there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from railway_release.postgres.session import quote
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schema_flag
from railway_release.verification import findings

PLACE = "<schema>"  # no schema is called that
SCHEMA, FLAG = quote(PLACE), schema_flag(PLACE)


@dataclass(frozen=True)
class Choice:
    """One way out: when it is right, and what is to be run then."""

    when: str
    statements: tuple[str, ...] = ()

    def for_schema(self, name: str) -> Choice:
        """The choice with the name of a schema."""
        return replace(self, statements=tuple(named(one, name) for one in self.statements))


def named(text: str, schema: str) -> str:
    """The text with the name of a schema in the places that are left for it."""
    return text.replace(SCHEMA, quote(schema)).replace(FLAG, schema_flag(schema))


def of(id: str, object: str, expected: str) -> tuple[Choice, ...]:
    """The choices about a finding; none where a command repairs it. `expected` is the finding's."""
    table, _, column = object.rpartition(".")
    if id not in _CHOICES:
        return ()
    return tuple(_CHOICES[id](alter(table), quote(column), object, expected))


def repair_again() -> str:
    """The command that repairs a schema once something was decided."""
    return f"{PROGRAM} repair {FLAG} --apply"


def alter(table: str) -> str:
    """The beginning of a statement that alters this table of the schema."""
    return f"ALTER TABLE {SCHEMA}.{quote(table)}"


def _extra(alter: str, column: str, object: str, _: str) -> Iterator[Choice]:
    yield Choice("If nothing needs it", (f"{alter} DROP COLUMN {column};",))
    entry = accepting(findings.COLUMN_EXTRA, object, "*")
    yield Choice("If something does, accept it in the settings", (entry,))


def accepting(id: str, object: str, schema: str) -> str:
    """The setting that accepts a finding; its reason is to be filled in."""
    entry = {"id": id, "schema": schema, "object": object, "reason": "…"}
    return f'RAILWAY_RELEASE = {{"ACCEPT": [{json.dumps(entry, ensure_ascii=False)}]}}'


def _odd(_alter: str, _column: str, object: str, _: str) -> Iterator[Choice]:
    yield Choice("If it should be as in the others, undo or repeat by hand here what has made the difference")
    entry = accepting(findings.ODD_ONE_OUT, object, PLACE)
    yield Choice("If this schema is meant to be otherwise, accept it in the settings", (entry,))


def _unowned(*_: str) -> Iterator[Choice]:
    yield Choice("If it is a tenant's, give the tenant its row back, with this schema_name")
    yield Choice("If nobody needs it, after a pg_dump of it", (f"DROP SCHEMA {SCHEMA} CASCADE;",))


def _in_the_way(alter: str, column: str, _object: str, _: str) -> Iterator[Choice]:
    yield Choice("If its values are to stay", (f"{alter} ALTER COLUMN {column} DROP NOT NULL;",))
    yield Choice("If nothing needs it", (f"{alter} DROP COLUMN {column};",))


def _typed(alter: str, column: str, _object: str, expected: str) -> Iterator[Choice]:
    # A cast to text of some length cuts what is longer; without one the server refuses it.
    is_text = expected.startswith(("character", "varchar"))
    using = "" if is_text else f" USING {column}::{expected.partition('(')[0]}"
    rounded = "" if is_text else " (decimals that it has no place for are rounded)"
    yield Choice(
        f"If all that is there fits into that type{rounded}",
        (f"{alter} ALTER COLUMN {column} TYPE {expected}{using};",),
    )


def _collated(alter: str, column: str, _object: str, expected: str) -> Iterator[Choice]:
    yield Choice(
        "If nothing relies on the other order (indexes of the column are built anew, unique ones may fail)",
        (f"{alter} ALTER COLUMN {column} TYPE {expected};",),
    )


def _generated(alter: str, column: str, _object: str, expected: str) -> Iterator[Choice]:
    if expected == "not generated":
        yield Choice(
            "If the values that are there are right", (f"{alter} ALTER COLUMN {column} DROP EXPRESSION;",)
        )
    else:
        yield Choice(
            "If the values that are there may be computed anew, which `repair` does then",
            (f"{alter} DROP COLUMN {column};",),
        )


_CHOICES = {
    findings.COLUMN_EXTRA: _extra,
    findings.COLUMN_IN_THE_WAY: _in_the_way,
    findings.COLUMN_TYPE: _typed,
    findings.COLUMN_COLLATION: _collated,
    findings.COLUMN_GENERATED: _generated,
    findings.ODD_ONE_OUT: _odd,
    findings.NO_ROW: _unowned,
}

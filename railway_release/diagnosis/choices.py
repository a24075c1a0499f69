"""Choices: what only a person can decide about a finding, each with the exact statements for it.

In the statements "<schema>" stands for the schema; `for_schema` puts its name there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from railway_release.postgres import dependents as dependents_of
from railway_release.postgres.dependents import NOTHING, Dependents
from railway_release.postgres.session import Connection, quote
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


def of(id: str, object: str, expected: str, using: Dependents = NOTHING) -> tuple[Choice, ...]:
    """The choices about a finding; none where a command repairs it. `expected` is the finding's.

    `using` is what uses the column, and would keep the server from what is chosen.
    """
    table, _, column = object.rpartition(".")
    if id not in _CHOICES:
        return ()
    return tuple(_CHOICES[id](alter(table), quote(column), object, expected, using))


def dependents(connection: Connection, id: str, schema: str, object: str, expected: str) -> Dependents:
    """What uses the column that the choices about a finding would change or drop."""
    table, _, column = object.rpartition(".")
    if id in _RETYPES:
        return dependents_of.of_type(connection, schema, table, column, expected)
    return dependents_of.of_column(connection, schema, table, column) if id in _DROPS else NOTHING


def repair_again(id: str = "") -> str:
    """The command that repairs a schema once something was decided; a warning only where it is named."""
    asked = f" --finding {id}" if id in findings.WARNINGS else ""
    return f"{PROGRAM} repair{asked} {FLAG} --apply"


def together(statements: Iterable[str], path: Iterable[str]) -> str:
    """Statements that name tables without a schema, found in the schema and then on this path.

    They are one, since each that is sent by itself would have another path.
    """
    path = ", ".join(dict.fromkeys((SCHEMA, *map(quote, path))))
    ended = (sql.rstrip() if sql.rstrip().endswith(";") else f"{sql.rstrip()}\n;" for sql in statements)
    return _in_one(f"SET search_path = {path};", *ended)


def alter(table: str) -> str:
    """The beginning of a statement that alters this table of the schema."""
    return f"ALTER TABLE {SCHEMA}.{quote(table)}"


def _extra(alter: str, column: str, object: str, _: str, using: Dependents) -> Iterator[Choice]:
    yield _dropping("If nothing needs it", alter, column, using)
    entry = accepting(findings.COLUMN_EXTRA, object, "*")
    yield Choice("If something does, accept it in the settings", (entry,))


def accepting(id: str, object: str, schema: str) -> str:
    """The setting that accepts a finding; its reason is to be filled in."""
    entry = {"id": id, "schema": schema, "object": object, "reason": "…"}
    return f'RAILWAY_RELEASE = {{"ACCEPT": [{json.dumps(entry, ensure_ascii=False)}]}}'


def _odd(_alter: str, _column: str, object: str, *_: Any) -> Iterator[Choice]:
    yield Choice("If it should be as in the others, undo or repeat by hand here what has made the difference")
    entry = accepting(findings.ODD_ONE_OUT, object, PLACE)
    yield Choice("If this schema is meant to be otherwise, accept it in the settings", (entry,))


def _unowned(*_: Any) -> Iterator[Choice]:
    yield Choice("If it is a tenant's, give the tenant its row back, with this schema_name")
    yield Choice("If nobody needs it, after a pg_dump of it", (f"DROP SCHEMA {SCHEMA} CASCADE;",))


def _in_the_way(alter: str, column: str, _object: str, _: str, using: Dependents) -> Iterator[Choice]:
    yield Choice("If its values are to stay", (f"{alter} ALTER COLUMN {column} DROP NOT NULL;",))
    yield _dropping("If nothing needs it", alter, column, using)


def _dropping(when: str, alter: str, column: str, using: Dependents, *then: str) -> Choice:
    """To drop a column, and first what uses it, in one transaction."""
    if using.by_hand:
        return Choice(f"{when}: drop first what uses it, by hand: {', '.join(using.by_hand)}")
    also = f", nor {', '.join(using.lost)}" if using.lost else ""
    return Choice(f"{when}{also}", (_in_one(*using.drops, f"{alter} DROP COLUMN {column};"), *then))


def _in_one(*statements: str) -> str:
    """Statements on one line: given to psql together, they are one transaction."""
    return " ".join(statements)


def _typed(alter: str, column: str, _object: str, expected: str, using: Dependents) -> Iterator[Choice]:
    # A cast to text of some length cuts what is longer; without one the server refuses it.
    is_text = expected.startswith(("character", "varchar"))
    value = f"{column}::text" if using.through_text else column
    cast = "" if is_text else f" USING {value}::{expected.partition('(')[0]}"
    rounded = "" if is_text else " (decimals that it has no place for are rounded)"
    yield _retyping(
        f"If all that is there fits into that type{rounded}", alter, column, expected + cast, using
    )


def _collated(alter: str, column: str, _object: str, expected: str, using: Dependents) -> Iterator[Choice]:
    when = "If nothing relies on the other order (indexes of the column are built anew, unique ones may fail)"
    yield _retyping(when, alter, column, expected, using)


def _retyping(when: str, alter: str, column: str, type: str, using: Dependents) -> Choice:
    """To change a column's type, with what uses it taken away before and made again after it."""
    if using.by_hand:
        way = "drop by hand first what uses it, and make it again afterwards"
        return Choice(f"{when}: {way}: {', '.join(using.by_hand)}; then look again")
    also = f", and nothing needs what it cannot have then, {', '.join(using.lost)}" if using.lost else ""
    free = f"ALTER COLUMN {column} DROP DEFAULT, " if using.has_default else ""
    change = f"{alter} {free}ALTER COLUMN {column} TYPE {type};"
    # What models have of all that, and the default.
    again = (repair_again(),) if using.lost or using.has_default or using.generated else ()
    return Choice(f"{when}{also}", (_in_one(*using.drops, change, *using.makes), *again))


def _generated(alter: str, column: str, _object: str, expected: str, using: Dependents) -> Iterator[Choice]:
    if expected == "not generated":
        yield Choice(
            "If the values that are there are right", (f"{alter} ALTER COLUMN {column} DROP EXPRESSION;",)
        )
    else:
        yield _dropping(
            "If the values that are there may be computed anew, which `repair` does then",
            alter,
            column,
            using,
            repair_again(),
            *using.makes,
        )


_CHOICES: dict[str, Callable[[str, str, str, str, Dependents], Iterator[Choice]]] = {
    findings.COLUMN_EXTRA: _extra,
    findings.COLUMN_IN_THE_WAY: _in_the_way,
    findings.COLUMN_TYPE: _typed,
    findings.COLUMN_COLLATION: _collated,
    findings.COLUMN_GENERATED: _generated,
    findings.ODD_ONE_OUT: _odd,
    findings.NO_ROW: _unowned,
}
_RETYPES = (findings.COLUMN_TYPE, findings.COLUMN_COLLATION)
_DROPS = (findings.COLUMN_EXTRA, findings.COLUMN_IN_THE_WAY, findings.COLUMN_GENERATED)

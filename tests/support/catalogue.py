"""What pg_catalog says of every schema, as values: names and the server's own words, nothing of Django's."""

import json
import re
from dataclasses import dataclass
from typing import Any

from .release import Database

_TABLES = """
SELECT n.nspname AS schema, relname AS table
FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r'
"""
_COLUMNS = """
SELECT n.nspname AS schema, c.relname AS table, a.attname AS name, format_type(atttypid, atttypmod) AS type,
    attnotnull AS not_null, attidentity <> '' AS counted,
    CASE WHEN attgenerated = '' THEN coalesce(pg_get_expr(adbin, adrelid), '') ELSE '' END AS default,
    CASE WHEN attgenerated <> '' THEN pg_get_expr(adbin, adrelid) ELSE '' END AS generated,
    CASE WHEN attcollation <> typcollation THEN collname ELSE '' END AS collation
FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
JOIN pg_type t ON t.oid = atttypid LEFT JOIN pg_collation l ON l.oid = attcollation
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped
"""
_CONSTRAINTS = """
SELECT n.nspname AS schema, c.relname AS table, conname AS name, contype AS kind,
    ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY AS k(number, place)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place) AS columns,
    replace(pg_get_constraintdef(o.oid), quote_ident(n.nspname) || '.', '') AS text,
    coalesce(CASE WHEN f.relnamespace <> c.relnamespace THEN f.relnamespace::regnamespace || '.' ELSE '' END
        || f.relname, '') AS target
FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class f ON f.oid = confrelid
WHERE contype IN ('p', 'u', 'f', 'c', 'x')
"""
_INDEXES = """
SELECT n.nspname AS schema, c.relname AS table, i.relname AS name, indisunique AS unique, indisvalid AS valid,
    ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = indrelid AND attnum > 0 AND EXISTS (
        SELECT FROM pg_depend WHERE objid = indexrelid AND refobjid = indrelid AND refobjsubid = attnum)
    ) AS columns,
    regexp_replace(replace(pg_get_indexdef(indexrelid), quote_ident(n.nspname) || '.', ''), '.* USING ', '')
        AS text
FROM pg_index x JOIN pg_class i ON i.oid = indexrelid JOIN pg_class c ON c.oid = indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
"""


@dataclass(frozen=True)
class Column:
    """A column."""

    table: str
    name: str
    type: str
    not_null: bool
    counted: bool
    default: str
    generated: str
    collation: str


@dataclass(frozen=True)
class Constraint:
    """A constraint; `kind` is pg_constraint's letter, `target` what a foreign key points to."""

    table: str
    name: str
    kind: str
    columns: tuple[str, ...]
    text: str
    target: str

    @property
    def rule(self) -> str:
        """What it asks for, whether it was validated or not."""
        return plain(self.text.removesuffix(" NOT VALID"))

    @property
    def points_to(self) -> str:
        """A foreign key's table and columns."""
        return self.text.split(" REFERENCES ")[1].split(")")[0]

    @property
    def is_unnamed(self) -> bool:
        """Whether PostgreSQL or Django has made up the name of this check."""
        return bool(re.fullmatch(r".+_([0-9a-f]{8}_)?check", self.name))


@dataclass(frozen=True)
class Index:
    """An index that no constraint has; `text` is all that follows USING."""

    table: str
    name: str
    unique: bool
    valid: bool
    columns: tuple[str, ...]
    text: str

    @property
    def keys(self) -> str:
        """What it is over, in parentheses."""
        depth, start = 0, self.text.index("(")
        for place, character in enumerate(self.text[start:], start):
            depth += {"(": 1, ")": -1}.get(character, 0)
            if not depth:
                return self.text[start : place + 1]
        raise ValueError(self.text)


@dataclass(frozen=True)
class Catalogue:
    """One schema."""

    tables: frozenset[str]
    columns: dict[tuple[str, str], Column]
    constraints: tuple[Constraint, ...]
    indexes: tuple[Index, ...]


def plain(check: str) -> str:
    """Without casts and parentheses, which PostgreSQL writes otherwise once it has read its own words."""
    return re.sub(r"::\w+(?: varying)?(?:\[\])?|[()]", "", check) if "CHECK" in check else check


def read(database: Database) -> dict[str, Catalogue]:
    """All schemas that hold tables."""
    tables = [(row["schema"], row["table"]) for row in _rows(database, _TABLES)]
    columns = [(row.pop("schema"), Column(**row)) for row in _rows(database, _COLUMNS)]
    constraints = [(row.pop("schema"), Constraint(**row)) for row in _rows(database, _CONSTRAINTS)]
    indexes = [(row.pop("schema"), Index(**row)) for row in _rows(database, _INDEXES)]
    return {
        schema: Catalogue(
            tables=frozenset(table for of, table in tables if of == schema),
            columns={(one.table, one.name): one for of, one in columns if of == schema},
            constraints=tuple(one for of, one in constraints if of == schema),
            indexes=tuple(one for of, one in indexes if of == schema),
        )
        for schema in dict.fromkeys(schema for schema, _ in tables)
    }


def _rows(database: Database, select: str) -> list[dict[str, Any]]:
    """With an empty path every name has its schema."""
    outside = "schema NOT LIKE 'pg\\_%' AND schema <> 'information_schema'"
    query = f"SET search_path = ''; SELECT json_agg(q ORDER BY q::text) FROM ({select}) AS q WHERE {outside}"
    rows: list[dict[str, Any]] = json.loads(database.sql(query) or "[]") or []
    for row in rows:
        row |= {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    return rows

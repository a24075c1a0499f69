"""Findings: differences between what a schema should hold and what it holds, with their ids and hints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# "information": by the migrations themselves; nothing to do, and never a reason for an exit code.
Severity = Literal["error", "warning", "information", "accepted"]

BY_MIGRATIONS = "by the migrations, not by the models"
NOTHING_TO_DO = "Migrations have made it otherwise than the models say: nothing to do."

GHOST = "table.ghost"
MASKED = "table.masked"
MISSING = "table.missing"
NO_SCHEMA = "schema.missing"
HALF_CREATED = "schema.unfinished"
NO_ROW = "schema.unowned"
UNMIGRATED = "app.unmigrated"
AHEAD = "app.ahead"
INCONSISTENT = "records.inconsistent"
UNREADABLE = "records.unreadable"
MISTYPED = "tenant.mistyped"
MISNAMED = "tenant.misnamed"
TENANTS_UNKNOWN = "tenants.unknown"
TENANTS_LOST = "tenants.lost"
INCOMPLETE = "rows.missing"
UNFINISHED = "migrations.unfinished"

TABLE_KIND = "table.kind"
COLUMN_MISSING = "column.missing"
COLUMN_TYPE = "column.type"
COLUMN_NULL = "column.null"
COLUMN_COLLATION = "column.collation"
COLUMN_GENERATED = "column.generated"
COLUMN_UNCOUNTED = "column.uncounted"
COLUMN_DEFAULT = "column.default"
COLUMN_EXTRA = "column.extra"
COLUMN_EARLY = "column.early"
CHANGE_EARLY = "change.early"
COLUMN_IN_THE_WAY = "column.in_the_way"
KEY_MISSING = "key.missing"
UNIQUE_MISSING = "unique.missing"
FOREIGN_KEY_MISSING = "foreign_key.missing"
FOREIGN_KEY_ELSEWHERE = "foreign_key.elsewhere"
FOREIGN_KEY_RULES = "foreign_key.rules"
CHECK_MISSING = "check.missing"
CHECK_OTHER = "check.other"
EXCLUSION_MISSING = "exclusion.missing"
CONSTRAINT_UNCHECKED = "constraint.unchecked"
INDEX_MISSING = "index.missing"
INDEX_INVALID = "index.invalid"
ODD_ONE_OUT = "schema.odd"

# The comment on a schema until its creation is complete.
CREATING = "railway-release has not finished creating this schema"

# All others are errors: code fails, or rows that the models forbid are accepted.
WARNINGS = frozenset(
    {
        COLUMN_EXTRA,
        COLUMN_EARLY,
        CHANGE_EARLY,
        COLUMN_COLLATION,
        FOREIGN_KEY_RULES,
        CONSTRAINT_UNCHECKED,
        INDEX_MISSING,
        ODD_ONE_OUT,
    }
)

# What a pending migration was to do is there already.
EARLY = frozenset({COLUMN_EARLY, CHANGE_EARLY})

HINTS = {
    GHOST: "A migration is recorded as applied but its table is not there: an app moved from the shared apps "
    "to the tenants', a stale clone template, --fake, or a restored backup. `repair` creates it.",
    MASKED: "The table is missing here but exists in the shared schema, so queries silently reach that one. "
    "`repair` creates it if no rows hide there.",
    MISSING: "It is listed as expected but is not there; correct the list or create it.",
    TABLE_KIND: "Models make plain tables; a view, a foreign table or partitions are made by SQL, so another "
    "kind than that of the other schemas comes from a restore or from hand.",
    NO_SCHEMA: "The row has no schema. `repair` shows the ways out; --create-schema makes an EMPTY one.",
    HALF_CREATED: "A repair that was cut off has created the schema: `repair` completes it, and tells the "
    "receivers of post_schema_sync.",
    NO_ROW: "The schema has migration records but no tenant row: a deleted tenant, or a renamed one.",
    UNMIGRATED: "The app has models but no migrations, so nothing creates this table: run makemigrations.",
    UNREADABLE: "Its django_migrations cannot be read, so nothing is known of it; grant the privilege that "
    "is missing, end the lock, or repair the table.",
    MISTYPED: "Its type is not in TENANT_TYPES, so nobody knows its apps; correct the row or the setting.",
    MISNAMED: "Nothing can be done for the tenant until it has another name: `repair` shows the statement.",
    TENANTS_UNKNOWN: "The tenants' table, or a column of it, is not there: no tenant was looked at. `doctor` "
    "says whether a migration makes it, or what else.",
    TENANTS_LOST: "There are schemas of tenants, and the tenants' table has a row for none: a TRUNCATE, or "
    "a restore of a part. `repair` shows the ways to bring them back.",
    INCOMPLETE: "Content types or permissions of migrated models are missing, so permission checks fail: "
    "a run ended before Django's post_migrate. A release adds them.",
    UNFINISHED: "A run ended after the last record and before what follows it: content types, permissions, "
    "receivers of post_migrate and schema_migrated. A release does that.",
    COLUMN_MISSING: "A migration that adds the column is recorded; every query of the model fails. "
    "`repair` adds it, if nobody has to invent values.",
    COLUMN_TYPE: "The column has another type, length or precision than the models of its migrations.",
    COLUMN_NULL: "The column allows NULL where the models do not, or forbids it where they allow it.",
    COLUMN_COLLATION: "The column is sorted and compared by other rules than the models say.",
    COLUMN_GENERATED: "The column is not generated as the models say.",
    COLUMN_UNCOUNTED: "Nothing gives new rows their number, so inserts fail.",
    COLUMN_DEFAULT: "The models leave this value to the database, which has none or another one.",
    COLUMN_EXTRA: "No model knows the column; a migration that was unapplied or deleted, or somebody's own.",
    COLUMN_EARLY: "A pending migration adds it, and will fail: it was applied without its record.",
    CHANGE_EARLY: "A pending migration changes it, and has perhaps done so without its record: a release "
    "sets it right, and `repair` records what is there already.",
    COLUMN_IN_THE_WAY: "No model knows the column, it allows no NULL and has no default: inserts fail.",
    KEY_MISSING: "Without its primary key, rows can be there twice, and no foreign key can point to them.",
    UNIQUE_MISSING: "Rows that the models forbid can be there twice; while some are, it cannot be added.",
    FOREIGN_KEY_MISSING: "Rows can point to what is not there; while some do, it cannot be added.",
    FOREIGN_KEY_ELSEWHERE: "It points to another table or column than the models say, as to the table "
    "of that name in another schema: inserts of right rows fail, and wrong ones are let in.",
    FOREIGN_KEY_RULES: "It is enforced at another moment, or does other things on delete than the models.",
    CHECK_MISSING: "Rows that the models forbid are let in; while some are there, it cannot be added.",
    CHECK_OTHER: "It checks something else than the models say.",
    EXCLUSION_MISSING: "Rows that the models forbid are let in; while some are there, it cannot be added.",
    CONSTRAINT_UNCHECKED: "It holds for new rows only: VALIDATE CONSTRAINT checks the others.",
    INDEX_MISSING: "Queries are slower here than elsewhere.",
    INDEX_INVALID: "Its concurrent creation failed, so it costs and serves nothing: REINDEX.",
    ODD_ONE_OUT: "No model tells of it, so schemas are compared with each other: most are otherwise.",
    INCONSISTENT: "A migration is recorded although one that it depends on is not. If the work of that one "
    "is there, `repair` records it; else it says what is missing.",
    AHEAD: "The app's records are newer than this code (a rollback?); what is missing there is a warning.",
}


@dataclass(frozen=True)
class Finding:
    """One difference; `object` is a table, an app, or the schema itself.

    Information is told once for all schemas that are alike: `schema` is empty, `schemas` their number.
    """

    id: str
    severity: Severity
    schema: str
    object: str
    app: str = ""
    found: str = ""  # what is there instead, or the server's words
    expected: str = ""  # what should be there, where that is more than `object`
    known: bool = False  # was there before the first write
    reason: str = ""  # why it was accepted, or is no fault
    schemas: int = 1
    # Of a tenant without a schema, the schemas that may be its own; of a schema without a row, the tenants.
    candidates: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do something, or to accept it."""
        return self.severity in ("error", "warning")

    @property
    def hint(self) -> str:
        """What it means and what to do."""
        return HINTS[self.id] if self.severity != "information" else NOTHING_TO_DO

"""Finding: one difference between what a schema should hold and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "accepted"]

GHOST = "table.ghost"
MASKED = "table.masked"
MISSING = "table.missing"
NO_SCHEMA = "schema.missing"
NO_ROW = "schema.unowned"
UNMIGRATED = "app.unmigrated"
AHEAD = "app.ahead"
INCONSISTENT = "records.inconsistent"
UNREADABLE = "records.unreadable"
MISTYPED = "tenant.mistyped"
INCOMPLETE = "rows.missing"

HINTS = {
    GHOST: "A migration is recorded as applied but its table is not there: an app moved between SHARED_APPS "
    "and TENANT_APPS, a stale clone template, --fake, or a restored backup. Create the table from the "
    "migration's SQL (see the README's ways out), then run again.",
    MASKED: "The table is missing here but exists in the shared schema, so queries silently reach that one. "
    "Create the table in this schema before anything migrates it.",
    MISSING: "The table is listed as expected but is not there; correct the list or create the table.",
    NO_SCHEMA: "The row has no schema: create it with `manage.py create_missing_schemas`, or delete the row.",
    NO_ROW: "The schema has migration records but no tenant row: a deleted tenant, or a renamed one.",
    UNMIGRATED: "The app has models but no migrations, so nothing creates this table: run makemigrations.",
    UNREADABLE: "Its django_migrations cannot be read, so nothing is known of it; grant the privilege that "
    "is missing, end the lock, or mend the table.",
    MISTYPED: "Its type is not in TENANT_TYPES, so nobody knows its apps; correct the row or the setting.",
    INCOMPLETE: "Content types or permissions of migrated models are missing, so permission checks fail: "
    "a run ended before Django's post_migrate. A release adds them.",
    INCONSISTENT: "A migration is recorded although one that it depends on is not; compare the records with "
    "those of a healthy schema and mend them by hand.",
    AHEAD: "The app's records are newer than this code (a rollback?); what is missing there is a warning.",
}


@dataclass(frozen=True)
class Finding:
    """One difference; `object` is a table, an app, or the schema itself."""

    id: str
    severity: Severity
    schema: str
    object: str
    app: str = ""
    found: str = ""  # what is there instead, or the server's words
    known: bool = False  # was there before the first write
    reason: str = ""  # why it was accepted

    @property
    def hint(self) -> str:
        """What it means and what to do."""
        return HINTS[self.id]

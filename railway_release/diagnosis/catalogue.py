"""Every cause that can be found, in the order in which they are dealt with, with what it means.

docs/reference/causes.md has a section for each: how it comes about, and how to fix it by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Kind:
    """How bad a cause is unless its evidence says otherwise, and what it means."""

    severity: Literal["error", "warning", "info"]
    meaning: str


KINDS = {
    "inspection.ended": Kind("error", "A release would end here, too; what lies behind was not looked at."),
    "release.refused": Kind(
        "error", "A release ends here before its first write, so nothing is migrated until this is fixed."
    ),
    "key.unreachable": Kind(
        "error",
        'The migration that makes this foreign key fails with "relation ... does not exist": the '
        "table that it points to is never there. No release cures that; the settings have to change.",
    ),
    "database.pooled": Kind(
        "error",
        "In transaction mode, a pooler may run a statement in another tenant's schema, since each tenant's "
        "search_path is a setting of the session. A release through one is refused.",
    ),
    "role.unprivileged": Kind(
        "error",
        "The role of the release may not change what belongs to another role, so migrations fail there with "
        '"permission denied" or "must be owner".',
    ),
    "pg_dump.missing": Kind("error", "The backup fails, so a release ends before its first write."),
    "pg_dump.old": Kind(
        "error",
        "pg_dump refuses a server newer than itself, so the backup fails and a release ends before its first "
        "write.",
    ),
    "tenants.unknown": Kind(
        "error",
        "The tenants' table lacks what its model needs to be read, so nothing is known of any tenant until "
        "the shared schema is migrated; or, where it was dropped, repaired. Look for a backup first then: "
        "made anew, the table is EMPTY.",
    ),
    "tenants.lost": Kind(
        "error",
        "No tenant has a row any more while their schemas are there: no release touches them, and the site "
        "serves none of them.",
    ),
    "tenant.misnamed": Kind(
        "error",
        "django-tenants refuses to work in a schema of this name, so every query of the tenant fails, and a "
        "release leaves it alone.",
    ),
    "extension.misplaced": Kind(
        "error",
        "An extension is there once in a database, and its types and functions are in this schema: the other "
        "tenants do not find them, and migrations that use them fail there.",
    ),
    "records.inconsistent": Kind(
        "error",
        "A migration is recorded although one that it depends on is not, so nothing can be applied there.",
    ),
    "migration.half_applied": Kind(
        "error",
        "A migration with atomic = False was cut off: part of what it makes is there, and running it again "
        "fails on that part. An index that it left may be INVALID.",
    ),
    "migration.unrecorded": Kind(
        "error",
        'What a pending migration makes is there already, so running it fails with "already exists": a run '
        "ended between the commit and the record, or the record was deleted.",
    ),
    "rows.in_the_way": Kind(
        "error",
        "The rows that are there break the rule that the migration adds, so it fails there each time, until "
        "they are changed. Nobody but you knows which of them are right.",
    ),
    "release.never_ran": Kind(
        "error",
        "Migrations on disk were never run there: the release step does not run, stopped at an earlier "
        "tenant, or failed there, as the next one will say. Code that needs them fails in these schemas.",
    ),
    "app.moved": Kind(
        "error",
        "The app was shared once, and is the tenants' now. While it was shared, its migrations were "
        "recorded in every tenant without doing anything there, so nobody will run them again.",
    ),
    "template.stale": Kind(
        "error",
        "New tenants are cloned from a template that lacks tables, while their migrations are recorded as "
        "applied. Every tenant created from it is born like that until the template is migrated.",
    ),
    "table.ghost": Kind(
        "error",
        "The migration is recorded as applied, so no release runs it again, but its table is not there: "
        "--fake, a restored backup, or a table dropped by hand.",
    ),
    "column.missing": Kind(
        "error",
        "The migration is recorded as applied, so no release runs it again, but its column is not there: "
        "--fake, a restored backup, or a change by hand.",
    ),
    "table.masked": Kind(
        "error",
        "Queries from these tenants silently reach the table of the shared schema, so tenants may see and "
        "change each other's rows. Nothing raises an error.",
    ),
    "release.held_up": Kind(
        "error",
        "Migrations are pending there, and no release touches these schemas while tables that the migrations "
        "are about are not there although recorded, or only in the shared schema: they would fail, or change "
        "the shared tables.",
    ),
    "procfile.ignored": Kind(
        "warning",
        "The release line of the Procfile does not do on Railway what it says, so nothing migrates. What the "
        "dashboard has for Pre-deploy Command cannot be seen from here.",
    ),
    "predeploy.commented": Kind(
        "warning",
        "`railway config migrate` turns the preDeployCommand of railway.json into a comment, so the release "
        "step is lost, and nothing says so. The dashboard may have one; it cannot be seen from here.",
    ),
    "build.migrates": Kind(
        "warning",
        "The image is built where the database's private network does not exist, and its layers are cached.",
    ),
    "migrate.bare": Kind(
        "warning",
        "With django-tenants, migrate is migrate_schemas: it stops at the first tenant that fails, and the "
        "others stay behind.",
    ),
    "start.migrates": Kind(
        "warning",
        "Every replica and every restart migrates all tenants, and one broken migration keeps the service "
        "down.",
    ),
    "start.default": Kind(
        "info",
        "Without a start command, Railpack starts Django with `manage.py migrate && gunicorn`, which "
        "migrates all tenants on every replica. The dashboard may have one; it cannot be seen from here.",
    ),
    "config.expiring": Kind(
        "warning", "Railway no longer reads this file from 2026-12-01; what it configures is lost then."
    ),
    "schema.missing": Kind(
        "warning",
        "The tenant has a row but no schema, so each of its queries falls through to the shared schema, "
        "which has no tenant tables. It also makes migrate_schemas stop.",
    ),
    "model.unmigrated": Kind(
        "error", "The code has it, but no migration on disk creates it, so no release can."
    ),
    "app.homeless": Kind("error", "The routers allow its tables in no schema, so they are created nowhere."),
    "sequence.behind": Kind(
        "error",
        'The next inserts there fail with "duplicate key": rows were loaded with their keys, and the '
        "sequence was not moved along.",
    ),
    "shared.leftover": Kind(
        "warning",
        "Tables of the tenants' apps lie in the shared schema: left by plain `migrate`, or by an app that "
        "was shared once. Where a tenant lacks its own, its queries reach these silently.",
    ),
    "schema.unowned": Kind(
        "warning",
        "The schema holds migration records but no tenant row names it: a tenant that was deleted with its "
        "schema kept, or renamed. No release migrates it.",
    ),
    "server.lock_slots": Kind(
        "warning",
        'A pg_dump of the whole database locks every table in one transaction and fails with "out of shared '
        'memory". A release reads and migrates in batches, and is not concerned.',
    ),
    "deletion.locks": Kind(
        "warning",
        "PostgreSQL locks each of these tables to check it, at COMMIT, and all sessions share the locks: "
        'deleting a row by SQL or by Django fails with "out of shared memory". delete_everywhere looks for '
        "references itself then, if its role may set session_replication_role, and else refuses.",
    ),
    "tenant.locks": Kind(
        "warning",
        'DROP SCHEMA ... CASCADE locks all that it drops and fails with "out of shared memory", so this '
        "tenant cannot be deleted with its schema.",
    ),
    "server.connections": Kind(
        "warning", "A release needs some for itself, and shares the others with the application."
    ),
    "app.in_both": Kind(
        "info",
        "Its tables are in the shared schema and in every tenant: what a query reaches depends on the schema "
        "that the connection is on, and rows of one are not seen from the other. That may be meant.",
    ),
    "app.ahead": Kind(
        "warning",
        "Newer code than this has migrated the database: a rollback, or an older working tree here.",
    ),
    "deletion.shared": Kind(
        "info",
        "Deleting a shared object makes Django query every model that points at it. Those of the tenants' "
        'apps have no table in the shared schema, rightly, so a deletion there raises "relation ... does not '
        'exist" with every migration in place. No migration cures that.',
    ),
    "shared.queried": Kind(
        "info",
        "The table is rightly absent from the shared schema, and something queried it from there: a view, "
        "a task or a command that did not enter a tenant's schema first.",
    ),
    "contenttypes.in_both": Kind(
        "info",
        "Each schema numbers its own content types, so the same model has another id in each. A shared row "
        "that holds such an id (a generic foreign key, a permission) points elsewhere in a tenant.",
    ),
    "router.custom": Kind(
        "info",
        "Other routers than django-tenants' decide, too, where tables belong. A migration that a router "
        "disallows is recorded all the same.",
    ),
    "name.unknown": Kind(
        "warning",
        "Nothing here has that name. Other code asked for it, or this code in another database: an older or "
        "newer deployment that still runs, another environment, or SQL written by hand.",
    ),
    "nothing.missing": Kind(
        "info",
        "It is there in every schema that should have it: it was repaired since, or the error came from "
        "another database or environment than this one.",
    ),
}

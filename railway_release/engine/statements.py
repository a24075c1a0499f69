"""The statements that the engine writes itself: transactions, records, content types and permissions.

Content types and permissions are those of the schema that comes first on the search path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module

from django.db.migrations.state import ProjectState
from django.utils.text import camel_case_to_spaces

from railway_release.engine.compile import Rename
from railway_release.migrations.outcome import Key
from railway_release.migrations.rows import DEFAULT_ACTIONS, Rows
from railway_release.postgres.lock import CLASS_ID, OBJECT_ID
from railway_release.postgres.records import MARK
from railway_release.postgres.session import literal, quote

# Held by the session that changes shared objects; only sessions of this release wait for it.
TRY_EXCLUSIVE = f"SELECT pg_try_advisory_lock({CLASS_ID}, {OBJECT_ID + 2})"
END_EXCLUSIVE = f"SELECT pg_advisory_unlock({CLASS_ID}, {OBJECT_ID + 2})"
# A value that ends with the transaction.
MARK_TRANSACTION = "SET LOCAL railway_release.transaction = 'begun'"
ENDED = "25000"  # invalid_transaction_state
SAME_TRANSACTION = """
DO $same$ BEGIN
    IF current_setting('railway_release.transaction', true) IS DISTINCT FROM 'begun' THEN
        RAISE EXCEPTION 'the migration has ended its transaction itself, so it is not recorded'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
END $same$"""
# What a session may set for all of its transactions to come.
OWN_DEFAULTS = "RESET default_transaction_isolation; RESET default_transaction_read_only"

_CONTENT_TYPES = """
INSERT INTO django_content_type (app_label, model)
SELECT e.app_label, e.model FROM (VALUES {values}) AS e (app_label, model)
WHERE NOT EXISTS (
    SELECT FROM django_content_type c WHERE c.app_label = e.app_label AND c.model = e.model)
ON CONFLICT DO NOTHING
"""
_PERMISSIONS = """
INSERT INTO auth_permission (name, content_type_id, codename)
SELECT e.name, c.id, e.codename FROM (VALUES {values}) AS e (app_label, model, codename, name)
JOIN django_content_type c ON c.app_label = e.app_label AND c.model = e.model
WHERE NOT EXISTS (
    SELECT FROM auth_permission p WHERE p.content_type_id = c.id AND p.codename = e.codename)
ON CONFLICT DO NOTHING
"""
_RENAMED_CONTENT_TYPE = """
UPDATE django_content_type SET model = {new} WHERE app_label = {app} AND model = {old}
AND NOT EXISTS (SELECT FROM django_content_type WHERE app_label = {app} AND model = {new})
"""
_RENAMED_PERMISSION = """
UPDATE auth_permission p SET codename = {new_codename}, name = {name} FROM django_content_type c
WHERE c.id = p.content_type_id AND c.app_label = {app} AND c.model = {new} AND p.codename = {old_codename}
"""


def record(schema: str, keys: Iterable[Key]) -> str:
    """The statement that records migrations as applied."""
    rows = ", ".join(f"({literal(app)}, {literal(name)}, clock_timestamp())" for app, name in keys)
    table = f"{quote(schema)}.django_migrations"
    return f"INSERT INTO {table} (app, name, applied) VALUES {rows}"  # noqa: S608 - quoted above


def delete_records(schema: str, keys: Iterable[Key]) -> str:
    """The statement that deletes the records of migrations."""
    rows = ", ".join(f"({literal(app)}, {literal(name)})" for app, name in keys)
    table = f"{quote(schema)}.django_migrations"
    return f"DELETE FROM {table} WHERE (app, name) IN ({rows})"  # noqa: S608 - quoted above


def unmark(schema: str) -> str:
    """The statement that deletes the mark of a schema, when all that follows its records is done."""
    table = f"{quote(schema)}.django_migrations"
    return f"DELETE FROM {table} WHERE app = {literal(MARK)}"  # noqa: S608 - quoted above


def complete_content_types(rows: Rows) -> str:
    """The statement that adds the content types that are missing."""
    return _CONTENT_TYPES.format(values=_values(rows.content_types))


def complete_permissions(rows: Rows) -> str:
    """The statement that adds the permissions that are missing; their content types must exist."""
    return _PERMISSIONS.format(values=_values(rows.permissions))


def rename_content_type(rename: Rename) -> str:
    """The statement that renames a content type, as Django does it: unless the new name is taken."""
    return _RENAMED_CONTENT_TYPE.format(
        app=literal(rename.app), old=literal(rename.old.lower()), new=literal(rename.new.lower())
    )


def rename_permissions(renames: Iterable[Rename], state: ProjectState) -> Iterator[str]:
    """The statements that rename the permissions of renamed models, as Django does from 6.1 on.

    None for older versions. Where the new name is taken, they fail, as Django does.
    """
    if not hasattr(import_module("django.contrib.auth.management"), "rename_permissions_after_model_rename"):
        return
    for (app, name), old in _first_names(renames).items():
        actions, verbose = _of_permissions(state, app, name)
        new = name.lower()
        for action in actions:
            yield _RENAMED_PERMISSION.format(
                app=literal(app),
                new=literal(new),
                old_codename=literal(f"{action}_{old}"),
                new_codename=literal(f"{action}_{new}"),
                name=literal(f"Can {action} {verbose}"),
            )


def _first_names(renames: Iterable[Rename]) -> dict[tuple[str, str], str]:
    """App and last name of each renamed model, with the name in lower case that it had at first."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for rename in renames:
        old = rename.old.lower()
        first, _ = found.pop((rename.app, old), (old, ""))
        found[rename.app, rename.new.lower()] = first, rename.new
    return {(app, name): first for (app, _), (first, name) in found.items()}


def _of_permissions(state: ProjectState, app: str, name: str) -> tuple[Iterable[str], str]:
    """The default permissions and verbose name of a model, which may have been deleted later."""
    if (app, name.lower()) not in state.models:
        return DEFAULT_ACTIONS, name
    model = state.models[app, name.lower()]
    verbose = model.options.get("verbose_name") or camel_case_to_spaces(model.name)
    return model.options.get("default_permissions", DEFAULT_ACTIONS), verbose


def _values(rows: Iterable[tuple[str, ...]]) -> str:
    return ", ".join(f"({', '.join(map(literal, row))})" for row in rows)

"""The commands to type that causes end with, worded in one place."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from railway_release.diagnosis.choices import Choice
from railway_release.migrations.outcome import Key, in_words
from railway_release.postgres.locations import Extension, OwnedSequence
from railway_release.postgres.server import Privileges
from railway_release.postgres.session import literal, quote
from railway_release.runtime.program import DEPLOYED, PROGRAM
from railway_release.runtime.text import schema_flag
from railway_release.verification.findings import EARLY, NO_SCHEMA, Finding

SHOWS_THE_SQL = "shows the SQL"
SHOWS_DECISIONS = "shows what has to be decided, with the statements"
_NAMES = 5
_SEQUENCES = 20  # in one statement, which has to fit on a screen

ENTER_TENANT = "wrap the query: with schema_context(NAME): ... (django_tenants.utils)"
PRE_DEPLOY = f"set the service's Pre-deploy Command to: {DEPLOYED}"
CHECK_AT_START = f"set the start command to: sh -c '{DEPLOYED} check --start && exec gunicorn MODULE.wsgi'"
RAILWAY_TS = 'move it to .railway/railway.ts: service("web", { preDeploy: ... }), then `railway config apply`'
UNCOMMENT = f'write preDeploy: "{DEPLOYED}" in its place, then `railway config apply`'
UNPOOLED = "set DATABASE_UNPOOLED_URL (or RELEASE_DATABASE_URL) to the database's own address"
SESSION_MODE = (
    "let the application connect directly, or run the pooler in session mode (RELEASE_POOLER=session)"
)
INSTALL_PG_DUMP = 'set RAILPACK_DEPLOY_APT_PACKAGES="... postgresql-client" (Nixpacks: NIXPACKS_APT_PKGS)'
COMPARE_DATABASES = f"{PROGRAM} plan  (its first line names the database; compare it with the service's)"


def repair(schemas: Sequence[str], *words: str, shows: str = SHOWS_THE_SQL) -> str:
    """The command that shows the SQL which repairs these, or why not; with --apply it is run."""
    named = [schema_flag(name) for name in schemas] if len(schemas) <= _NAMES else []
    return f"{' '.join((PROGRAM, 'repair', *words, *named))}  # {shows}; --apply does it"


def of_finding(found: Sequence[Finding], given: Sequence[Choice]) -> str:
    """What fixes findings of one id: a repair, or else the choices, which are given about the first one.

    Those of several are shown by `repair`, each with statements of its own.
    """
    one, schemas = found[0], list(dict.fromkeys(each.schema for each in found))
    if one.id == NO_SCHEMA and not one.candidates:
        return create_schema(schemas)
    if given and not found[1:]:
        ways = [_way(choice.for_schema(one.schema)) for choice in given]
        return f"decide, since nothing else can: {'; or: '.join(ways)}"
    is_asked_for = one.severity == "warning" and one.id not in EARLY
    words = ("--finding", one.id) if is_asked_for else ()
    return decisions(schemas, *words) if given else repair(schemas, *words)


def decisions(schemas: Sequence[str], *words: str) -> str:
    """The command that shows what a person has to decide about these."""
    return f"{repair(schemas, *words).partition('  # ')[0]}  # {SHOWS_DECISIONS}"


def create_schema(schemas: Sequence[str]) -> str:
    """The command that makes schemas of tenants that have only a row."""
    return repair(
        schemas, "--create-schema", shows="the new schema will be EMPTY, so look for a backup first"
    )


def find_tenants(shared: str, *, is_lost: bool) -> str:
    """What makes the tenants' table readable again: a pending migration, or what was lost of it."""
    return repair([shared]) if is_lost else f"{PROGRAM} --shared-only"


def _way(choice: Choice) -> str:
    statements = " && ".join(sql(one) if one.endswith(";") else one for one in choice.statements)
    return f"{choice.when}: {statements}" if statements else choice.when


def verify(schema: str) -> str:
    """The command that lists all findings of a schema."""
    return f"{PROGRAM} verify {schema_flag(schema)}"


def fake(keys: Sequence[Key], schemas: Sequence[str], *, data_is_done: bool = False) -> str:
    """The commands that record these migrations where their work is proven to be there."""
    words = [*(schema_flag(name) for name in schemas), *(["--data-is-done"] if data_is_done else [])]
    return " && ".join(f"{PROGRAM} fake {app} {name} {' '.join(words)}" for app, name in keys)


def fake_if_done(keys: Sequence[Key], schemas: Sequence[str], hidden: tuple[Key, ...]) -> str:
    """The same where nobody can see the work of some migrations that lead to these."""
    done = fake(keys, schemas, data_is_done=True)
    return f"decide, since nobody can see what code or SQL in {in_words(hidden)} did; if that is done: {done}"


def make_and_fake(keys: Sequence[Key], schemas: Sequence[str], shared: str, *, data_is_done: bool) -> str:
    """How to make by hand what these migrations make, and record them then."""
    return f"{make(keys, schemas[0], shared)}, then: {fake(keys, schemas, data_is_done=data_is_done)}"


def make(keys: Sequence[Key], schema: str, shared: str) -> str:
    """How to make by hand what these migrations make.

    On the `shared` schema, where a command of Django's runs by itself, apps of tenants have no SQL.
    """
    by, where = ("", "") if schema == shared else ("tenant_command ", f" --schema={shlex.quote(schema)}")
    shown = "; ".join(f"python manage.py {by}sqlmigrate {app} {name}{where}" for app, name in keys)
    return f"make it in the schema with the SQL of `{shown}`"


def move_extension(one: Extension, schema: str) -> str:
    """The statement that moves an extension to another schema."""
    name, target = quote(one.name), quote(schema)
    if one.movable:
        return sql(f"ALTER EXTENSION {name} SET SCHEMA {target}")
    anew = sql(f"DROP EXTENSION {name}; CREATE EXTENSION {name} SCHEMA {target}")
    return f"it cannot be moved; if nothing uses it: {anew}"


def delete_everywhere() -> str:
    """What deletes a shared object in all schemas, in code and in the admin."""
    return (
        "use railway_release.django.deletion.delete_everywhere(instance), "
        "or TenantCascadeAdminMixin in the public admin"
    )


def drop_leftovers(schema: str, tables: Sequence[str], filled: str) -> str:
    """The statement that drops tables together; where one is `filled`, only after a look at its rows."""
    drop = sql(f"DROP TABLE {', '.join(f'{quote(schema)}.{quote(table)}' for table in tables)}")
    if not filled:
        return f"{drop}  # they are empty; it fails if something else needs one of them"
    look = sql(f"TABLE {quote(schema)}.{quote(filled)} LIMIT 5")
    return f"decide, since nothing else can: to see rows: {look}; if nobody needs any: {drop}"


def grant(lacking: Privileges) -> str:
    """The statement that makes the role a member of the owner, with all privileges of that."""
    name = quote(lacking.role)
    if lacking.not_owned:
        return f"connect as the role that owns the tables, or as it: GRANT owner TO {name}"
    if lacking.no_create or lacking.no_usage:
        first = (*lacking.no_create, *lacking.no_usage)[0]
        return sql(f"GRANT USAGE, CREATE ON SCHEMA {quote(first)} TO {name}")
    return f"as the owner of the database: GRANT CREATE ON DATABASE ... TO {name}"


def set_locks(wanted: int) -> str:
    """The statement that sets max_locks_per_transaction; it needs a restart."""
    return sql(f"ALTER SYSTEM SET max_locks_per_transaction = {wanted}") + ", then restart the database"


def set_sequences(behind: Sequence[OwnedSequence]) -> str:
    """The statement that sets sequences to the largest value of their columns; of many, the first ones."""
    statement = sql(f"SELECT {', '.join(map(_set_to_largest, behind[:_SEQUENCES]))}")
    left = len(behind) - _SEQUENCES
    return f"{statement}  # then look again: there are {left} more" if left > 0 else statement


def _set_to_largest(one: OwnedSequence) -> str:
    table = f"{quote(one.schema)}.{quote(one.table)}"
    largest = f"(SELECT max({quote(one.column)}) FROM {table})"  # noqa: S608 - printed, never run
    return f"setval(pg_get_serial_sequence({literal(table)}, {literal(one.column)}), {largest})"


def who_is_connected() -> str:
    """The statement that counts sessions by role and application, which every role may see."""
    columns = "usename, datname, application_name, state"
    return sql(f"SELECT {columns}, count(*) FROM pg_stat_activity GROUP BY {columns} ORDER BY count(*) DESC")  # noqa: S608 - printed


def sql(statement: str) -> str:
    """The command that runs one statement in psql."""
    return f'psql "$DATABASE_URL" -c {shlex.quote(statement)}'

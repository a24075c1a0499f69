"""Tenants made by hand: copies of a schema, rows of the tenants table, what a database holds, locks."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from .binaries import bin_dir, environment, run
from .release import Database

_COPY = """
DO $copy$
DECLARE
    t text;
    keys text[];
BEGIN
    CREATE SCHEMA {target};
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = {source} LOOP
        EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING ALL)', {name}, t, {source}, t);
        EXECUTE format('INSERT INTO %I.%I SELECT * FROM %I.%I', {name}, t, {source}, t);
        EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), coalesce(max(id), 1)) FROM %I.%I',
                       format('%I.%I', {name}, t), {name}, t);
    END LOOP;
    -- Names of the path's first schema are written without it, and so mean the copy's own tables.
    PERFORM set_config('search_path', quote_ident({source}) || ', public', true);
    keys := ARRAY(
        SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', c.relname, conname, pg_get_constraintdef(o.oid))
        FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE contype = 'f' AND n.nspname = {source});
    PERFORM set_config('search_path', quote_ident({name}) || ', public', true);
    FOREACH t IN ARRAY keys LOOP
        EXECUTE t;
    END LOOP;
END
$copy$;
"""


# What PostgreSQL makes of IN in a check; of this it would make something else.
_ANY = re.compile(r"\(\((\w+)\)::text = ANY \(\(ARRAY\[(.*?)\]\)::text\[\]\)\)")
_OF_THE_SESSION = ("--", "\\", "SET ", "SELECT pg_catalog.set_config")

# A server on which nobody can make a table.
NO_TABLES = """
CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS
    $body$ BEGIN RAISE EXCEPTION 'no tables today'; END $body$;
CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.refuse();
"""


def quote(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant."""
    return "'" + text.replace("'", "''") + "'"


def add_row(database: Database, *names: str) -> None:
    """Tenant rows alone; their schemas are somebody else's business."""
    values = ", ".join(f"({literal(name)}, {literal(name)}, now())" for name in names)
    database.sql(f"INSERT INTO public.tenants_client (schema_name, name, created_at) VALUES {values}")


def copy_schema(database: Database, source: str, *names: str) -> None:
    """Schemas with the tables, rows and records of another, and no tenant rows."""
    copies = [_COPY.format(target=quote(name), name=literal(name), source=literal(source)) for name in names]
    # One statement is one transaction, and each table that it makes takes several of the server's lock slots.
    for start in range(0, len(copies), 50):
        database.sql("".join(copies[start : start + 50]))


def copy_tenant(database: Database, source: str, *names: str) -> None:
    """As copy_schema, with tenant rows."""
    copy_schema(database, source, *names)
    add_row(database, *names)


def dumped(database: Database, schema: str) -> str:
    """What makes the schema again, with all that is in it and exactly as it is; nothing for the session."""
    dump = run("pg_dump", "--inserts", "--no-owner", f"--schema={quote(schema)}", "-d", database.url)
    dump = _ANY.sub(r"(\1 IN (\2))", dump)
    return "\n".join(line for line in dump.splitlines() if not line.startswith(_OF_THE_SESSION))


def clone_tenant(database: Database, source: str, *names: str) -> None:
    """As copy_tenant, but to the last name of an index; the source's name is a word that is nowhere in it."""
    text = dumped(database, source)
    # One transaction for each: every table takes several of the server's lock slots.
    script = "".join(f"BEGIN;\n{text.replace(source, quote(name))}\nCOMMIT;\n" for name in names)
    run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url, given=script)
    add_row(database, *names)


def records(database: Database) -> dict[str, list[str]]:
    """The migration records of every schema that has a table for them, in the order of their making."""
    schemas = database.lines(
        "SELECT schemaname FROM pg_tables WHERE tablename = 'django_migrations' ORDER BY 1"
    )
    select = "SELECT {}, id, app, name, applied FROM {}.django_migrations"
    selects = [select.format(number, quote(schema)) for number, schema in enumerate(schemas)]
    found: dict[str, list[str]] = {schema: [] for schema in schemas}
    for line in database.lines(f"{' UNION ALL '.join(selects)} ORDER BY 1, 2") if selects else ():
        number, _, row = line.partition("|")
        found[schemas[int(number)]].append(row)
    return found


def let_a_day_pass(database: Database) -> None:
    """All records become a day older: a schema with one of the last hour may be in the making still."""
    older = "UPDATE {}.django_migrations SET applied = applied - interval '1 day';"
    database.sql("".join(older.format(quote(schema)) for schema in records(database)))


def everything(database: Database, *schemas: str) -> tuple[str, dict[str, list[str]]]:
    """What no command that only looks may change: the definitions of all objects, and the records."""
    named = [f"--schema={quote(schema)}" for schema in schemas]
    dump = run("pg_dump", "--schema-only", *named, "-d", database.url)
    # pg_dump protects its output with a word that is new each time.
    lines = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    found = records(database)
    return "\n".join(lines), {name: found[name] for name in found if name in (schemas or found)}


def columns(database: Database, schema: str, table: str) -> list[str]:
    """The columns of a table."""
    return database.lines(
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_schema = {literal(schema)} AND table_name = {literal(table)} ORDER BY ordinal_position"
    )


@contextmanager
def held_open(database: Database, statement: str) -> Iterator[None]:
    """A session of somebody else that has run the statement in a transaction and does not end it."""
    process = subprocess.Popen(
        [str(bin_dir() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env=environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"BEGIN;\n{statement};\n\\echo done\n")
    process.stdin.flush()
    try:
        assert process.stdout.readline() == "done\n"
        yield
    finally:
        process.communicate()

"""What schemas of real projects hold comes back from a backup as it was."""

from __future__ import annotations

import pytest

from tests.support.binaries import run
from tests.support.release import Database, Project
from tests.support.schemas import add_row
from tests.support.server import database_url, psql

# What schemas of real projects hold; {s} is the schema. A script of pg_restore is full of lines like these.
TEXT = """'one
-- Name: y; Type: FK CONSTRAINT; Schema: a; Owner: b
SET lock_timeout = 0;
GRANT SELECT ON x TO nobody;
ALTER TABLE x OWNER TO nobody;
COPY x FROM stdin;
\\.
two'"""
SHAPES = {
    "empty": "",
    "no_keys": "CREATE TABLE {s}.a (id int PRIMARY KEY); INSERT INTO {s}.a VALUES (1)",
    "texts": f"""
        CREATE FUNCTION {{s}}.f() RETURNS trigger LANGUAGE plpgsql AS
            $f$/*{TEXT}*/ BEGIN RETURN NEW; END$f$;
        CREATE VIEW {{s}}.v AS SELECT {TEXT}::text AS a;
        CREATE TABLE {{s}}.a (id int PRIMARY KEY, x text DEFAULT {TEXT});
        CREATE TABLE {{s}}.b (id int REFERENCES {{s}}.a);
        CREATE TRIGGER t BEFORE UPDATE ON {{s}}.a FOR EACH ROW WHEN (NEW.x = {TEXT})
            EXECUTE FUNCTION {{s}}.f();
        CREATE INDEX i ON {{s}}.a (x) WHERE x <> {TEXT};
        COMMENT ON FUNCTION {{s}}.f() IS {TEXT}; COMMENT ON TRIGGER t ON {{s}}.a IS {TEXT};
        INSERT INTO {{s}}.a VALUES (1); INSERT INTO {{s}}.b VALUES (1)""",
    "comments": """
        CREATE TABLE {s}.a (id int PRIMARY KEY); CREATE TABLE {s}.b (id int REFERENCES {s}.a);
        COMMENT ON CONSTRAINT b_id_fkey ON {s}.b IS 'key'; COMMENT ON CONSTRAINT a_pkey ON {s}.a IS 'all';
        COMMENT ON INDEX {s}.a_pkey IS 'index'; COMMENT ON COLUMN {s}.a.id IS 'column';
        COMMENT ON SCHEMA {s} IS 'schema'""",
    "names": """
        CREATE TABLE {s}."a\nb" (id int PRIMARY KEY, "c\nd" text, "%s" int, t int, "q""x" int);
        INSERT INTO {s}."a\nb" VALUES (1, 'x\ny', 2, 3, 4);
        CREATE TABLE {s}.t (t text, "T" int); INSERT INTO {s}.t VALUES ('a', 1);
        CREATE TABLE {s}.none (); INSERT INTO {s}.none DEFAULT VALUES""",
    "own_extension": """
        CREATE EXTENSION hstore SCHEMA {s}; CREATE TABLE {s}.a (x {s}.hstore);
        INSERT INTO {s}.a VALUES ('a=>1')""",
    "path": """
        SET search_path = {s};
        CREATE TABLE {s}.most (m int); INSERT INTO {s}.most VALUES (5);
        CREATE FUNCTION {s}.fits(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 < (SELECT max(m) FROM most)';
        CREATE FUNCTION {s}.inner(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
        CREATE FUNCTION {s}.outer(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT "inner"($1)';
        CREATE TABLE {s}.z (id int CHECK ({s}.fits(id)), g text GENERATED ALWAYS AS ({s}.outer('a')) STORED);
        INSERT INTO {s}.z VALUES (1)""",
    "many": """
        CREATE TYPE {s}.mood AS ENUM ('a', 'b''c'); CREATE DOMAIN {s}.pos AS int CHECK (VALUE > 0);
        CREATE TYPE {s}.pair AS (a int, b {s}.mood);
        CREATE TABLE {s}.a (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m {s}.mood, p {s}.pos,
            c {s}.pair, g int GENERATED ALWAYS AS (p * 2) STORED, s serial) WITH (fillfactor = 70);
        INSERT INTO {s}.a (m, p, c) VALUES ('a', 3, ROW(1, 'a'));
        CREATE TABLE {s}.p (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
        CREATE TABLE {s}.p1 PARTITION OF {s}.p DEFAULT; INSERT INTO {s}.p VALUES (1, '2020-02-02');
        CREATE TABLE {s}.r (id int, d date, FOREIGN KEY (id, d) REFERENCES {s}.p
            DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO {s}.r VALUES (1, '2020-02-02');
        CREATE TABLE {s}.base (id int PRIMARY KEY); CREATE TABLE {s}.child (y int) INHERITS ({s}.base);
        INSERT INTO {s}.child VALUES (1, 1); INSERT INTO {s}.base VALUES (2);
        CREATE VIEW {s}.v AS SELECT id, count(*) FROM {s}.a GROUP BY id;
        CREATE MATERIALIZED VIEW {s}.m AS SELECT * FROM {s}.v; CREATE UNIQUE INDEX mi ON {s}.m (id);
        CREATE RULE r AS ON UPDATE TO {s}.v DO INSTEAD NOTHING;
        ALTER TABLE {s}.a ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {s}.a USING (id > 0);
        CREATE TABLE {s}.c1 (id int PRIMARY KEY, o int);
        CREATE TABLE {s}.c2 (id int PRIMARY KEY REFERENCES {s}.c1);
        ALTER TABLE {s}.c1 ADD CONSTRAINT circle FOREIGN KEY (o) REFERENCES {s}.c2;
        INSERT INTO {s}.c1 VALUES (1); INSERT INTO {s}.c2 VALUES (1); UPDATE {s}.c1 SET o = 1;
        CREATE TABLE {s}.nv (o int); INSERT INTO {s}.nv VALUES (77);
        ALTER TABLE {s}.nv ADD FOREIGN KEY (o) REFERENCES {s}.c2 NOT VALID;
        CREATE UNLOGGED TABLE {s}.u (id int); INSERT INTO {s}.u VALUES (1);
        CREATE PROCEDURE {s}.q() LANGUAGE sql BEGIN ATOMIC; SELECT 1; SELECT count(*) FROM {s}.a; END""",
    "values": r"""
        CREATE TABLE {s}.a (f float8, n numeric, t timestamptz, i interval, b bytea, j jsonb, a text[],
            c text, r regclass, s money);
        INSERT INTO {s}.a VALUES ('NaN', 'NaN', 'infinity', '1 mon 2 days', '\x00ff5c', '{"a": [1, null]}',
            '{"a,b",NULL,"\""}', E'\\.', '{s}.a', 1234.5),
            (0.1, 1e100, '0044-03-15 BC', '-1 years', E'\\\\000', NULL, '{}', E'x\n\\.\nCOPY a FROM stdin;\n',
            NULL, -1)""",
}


def dump(database: Database) -> list[str]:
    """Definitions and rows of all but what was put aside."""
    text = run("pg_dump", "--exclude-schema=*__before_*", "--encoding=UTF8", "-d", database.url)
    return [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_whatever_a_schema_holds_comes_back_as_it_was(current: Project, tmp_path):
    database, to = current.database, str(tmp_path / "backups")
    for name, sql in SHAPES.items():
        database.sql(f"CREATE SCHEMA {name};{sql.replace('{s}', name)}")
    add_row(database, *SHAPES)
    taken = current.run("backup", "--backup-proof", "restore=all", RELEASE_BACKUP_TO=to)
    before = dump(database)
    named = [word for name in SHAPES for word in ("--schema", name)]
    restored = current.run("restore", "latest", "--apply", *named, RELEASE_BACKUP_TO=to)

    assert taken.code == 0, taken.text
    assert restored.states == dict.fromkeys(SHAPES, "restored"), restored.text
    assert dump(database) == before
    assert len(database.lines("SELECT 1 FROM pg_namespace WHERE nspname LIKE '%\\_\\_before\\_%'")) == len(
        SHAPES
    )


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_comes_back_as_it_was(
    server: str, current: Project, new_database, tmp_path, encoding
):
    to, whole = str(tmp_path / "backups"), run("pg_dump", "--inserts", "-d", current.database.url)
    name = new_database().url.rpartition("/")[2]
    psql(server, f'DROP DATABASE "{name}"')
    psql(server, f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    database = current.database = Database(database_url(server, name))
    database.sql("\n".join(line for line in whole.splitlines() if "restrict " not in line))
    database.sql("SET client_encoding = 'UTF8'; CREATE TABLE athena.\"é\" (\"ü\" text DEFAULT 'ä')")
    taken = current.run("backup", "--backup-proof", "restore=all", RELEASE_BACKUP_TO=to)
    before = dump(database)
    restored = current.run("restore", "latest", "--apply", "--schema", "athena", RELEASE_BACKUP_TO=to)

    assert taken.code == 0, taken.text
    assert restored.states == {"athena": "restored"}, restored.text
    assert dump(database) == before


@pytest.mark.versions
def test_what_fails_after_the_commit_fails_no_restore_and_a_key_that_cannot_be_added_names_what_is_gone(
    current: Project, tmp_path
):
    database, to = current.database, str(tmp_path / "backups")
    database.sql(
        "CREATE SCHEMA odd; CREATE TABLE odd.a (id int); INSERT INTO odd.a VALUES (1);"
        "CREATE FUNCTION odd.f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
        " IF current_query() LIKE 'ANALYZE%' THEN RAISE 'not now'; END IF; RETURN $1; END $$;"
        "CREATE INDEX ON odd.a (odd.f(id)); CREATE TABLE public.target (id int PRIMARY KEY);"
        "CREATE SCHEMA parted;"
        "CREATE TABLE parted.p (id int REFERENCES public.target) PARTITION BY LIST (id);"
        "CREATE TABLE parted.p1 PARTITION OF parted.p FOR VALUES IN (1);"
        "INSERT INTO public.target VALUES (1); INSERT INTO parted.p VALUES (1)"
    )
    add_row(database, "odd", "parted")
    assert current.run("backup", RELEASE_BACKUP_TO=to).code == 0
    database.sql("DELETE FROM parted.p; DELETE FROM public.target")
    named = ("--schema", "odd", "--schema", "parted")
    run = current.run("restore", "latest", "--apply", *named, RELEASE_BACKUP_TO=to)

    assert run.states == {"odd": "restored", "parted": "failed"}, run.text
    assert "not now" in run.event("restore.not_analyzed")["message"]
    assert "target" in run.outcome("parted")["message"]
    assert "NOT VALID" not in run.outcome("parted")["message"]

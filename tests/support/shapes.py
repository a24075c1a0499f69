"""What schemas of real projects hold: statements that make it, by the name of the schema.

In them, {s} is the schema, quoted, and {role} a role.
"""

from collections.abc import Sequence

from .release import Database
from .schemas import add_row, quote

# What they use outside of them.
COMMON = """
CREATE TYPE public.word AS ENUM ('x', 'y'); CREATE DOMAIN public.few AS int CHECK (VALUE < 10);
CREATE TABLE public.parent (id int); CREATE TABLE public.target (id int PRIMARY KEY);
CREATE EXTENSION citext SCHEMA public; INSERT INTO public.target VALUES (1)
"""
# A script of pg_restore is full of lines like these.
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
        ALTER SCHEMA {s} OWNER TO {role}; CREATE EXTENSION hstore SCHEMA {s};
        CREATE TABLE {s}.a (x {s}.hstore);
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

_F = "CREATE FUNCTION {s}.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;"
SHAPES |= {
    "triggers": f"""
        {_F} CREATE TABLE {{s}}.a (id int PRIMARY KEY); INSERT INTO {{s}}.a VALUES (1);
        CREATE TRIGGER t1 BEFORE INSERT ON {{s}}.a FOR EACH ROW EXECUTE FUNCTION {{s}}.f();
        CREATE TRIGGER t2 BEFORE INSERT ON {{s}}.a FOR EACH ROW EXECUTE FUNCTION {{s}}.f();
        CREATE CONSTRAINT TRIGGER t3 AFTER INSERT ON {{s}}.a DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION {{s}}.f();
        ALTER TABLE {{s}}.a DISABLE TRIGGER t1, ENABLE ALWAYS TRIGGER t2, ENABLE REPLICA TRIGGER t3""",
    "rules": """
        CREATE TABLE {s}.a (id int); CREATE TABLE {s}.log (id int); CREATE VIEW {s}.v AS SELECT * FROM {s}.a;
        CREATE RULE one AS ON INSERT TO {s}.a DO ALSO INSERT INTO {s}.log VALUES (NEW.id);
        CREATE RULE two AS ON DELETE TO {s}.a DO ALSO NOTHING; ALTER TABLE {s}.a DISABLE RULE two;
        CREATE RULE three AS ON INSERT TO {s}.v DO INSTEAD INSERT INTO {s}.a VALUES (NEW.id) RETURNING id;
        INSERT INTO {s}.a VALUES (1)""",
    "constraints": """
        CREATE TABLE {s}.a (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, r int4range,
            c int CHECK (c > 0) NO INHERIT, EXCLUDE USING gist (r WITH &&) DEFERRABLE);
        INSERT INTO {s}.a VALUES (1, '[1,2)', 1); ALTER TABLE {s}.a ADD CHECK (c > 5) NOT VALID;
        CREATE TABLE {s}.k (p int REFERENCES public.target ON DELETE CASCADE);
        INSERT INTO {s}.k VALUES (1)""",
    "row_security": """
        CREATE TABLE {s}.a (id int); INSERT INTO {s}.a VALUES (1);
        ALTER TABLE {s}.a ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON {s}.a AS RESTRICTIVE FOR SELECT USING (id > 0);
        CREATE POLICY q ON {s}.a TO {role}, CURRENT_USER USING (true) WITH CHECK (id < 5)""",
    "privileges": """
        ALTER DEFAULT PRIVILEGES IN SCHEMA {s} GRANT SELECT ON TABLES TO {role};
        ALTER DEFAULT PRIVILEGES FOR ROLE {role} IN SCHEMA {s} GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
        CREATE TABLE {s}.a (id int, v int); GRANT SELECT (id), UPDATE (v) ON {s}.a TO {role};
        GRANT INSERT ON {s}.a TO {role} WITH GRANT OPTION; REVOKE DELETE ON {s}.a FROM CURRENT_USER;
        CREATE SEQUENCE {s}.q; GRANT USAGE ON SEQUENCE {s}.q TO {role};
        CREATE FUNCTION {s}.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
        REVOKE EXECUTE ON FUNCTION {s}.f() FROM PUBLIC""",
    "statistics": """
        CREATE COLLATION {s}.c (locale = 'C');
        CREATE TABLE {s}.a (id int NOT NULL, v int, t text COLLATE {s}.c);
        INSERT INTO {s}.a VALUES (1, 1, 'b'); CREATE STATISTICS {s}.st (ndistinct, mcv) ON id, v FROM {s}.a;
        ALTER TABLE {s}.a ALTER id SET STATISTICS 77, ALTER t SET STORAGE EXTERNAL,
            ALTER t SET (n_distinct = 5), SET (autovacuum_enabled = false, toast.autovacuum_enabled = false);
        CREATE UNIQUE INDEX ui ON {s}.a (id); ALTER TABLE {s}.a CLUSTER ON ui;
        ALTER TABLE {s}.a REPLICA IDENTITY USING INDEX ui""",
    "types": """
        CREATE DOMAIN {s}.d AS public.word DEFAULT 'x' CHECK (VALUE <> 'y');
        CREATE TYPE {s}.rng AS RANGE (subtype = float8); CREATE TYPE {s}.ty AS (a int, b text);
        CREATE TABLE {s}.a (x public.word, d {s}.d, p public.few, r {s}.rng, arr public.word[],
            c public.citext UNIQUE);
        INSERT INTO {s}.a VALUES ('x', 'x', 5, '[1,2]', '{x,y}', 'AbC');
        CREATE TABLE {s}.typed OF {s}.ty (PRIMARY KEY (a)); INSERT INTO {s}.typed VALUES (1, 'b')""",
    "operators": """
        CREATE FUNCTION {s}.eq(int, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1::text = $2';
        CREATE OPERATOR {s}.=== (LEFTARG = int, RIGHTARG = text, FUNCTION = {s}.eq);
        CREATE AGGREGATE {s}.agg (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
        CREATE TEXT SEARCH CONFIGURATION {s}.tsc (COPY = pg_catalog.english);
        CREATE TABLE {s}.a (t text,
            v tsvector GENERATED ALWAYS AS (to_tsvector('{s}.tsc'::regconfig, t)) STORED);
        INSERT INTO {s}.a VALUES ('cats dogs');
        CREATE OPERATOR CLASS {s}.oc FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
            OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
        CREATE TABLE {s}.i (x int); CREATE INDEX ON {s}.i (x {s}.oc)""",
    "partitions": f"""
        {_F} CREATE TABLE {{s}}.p (id int, k int, v text) PARTITION BY RANGE (id);
        CREATE TABLE {{s}}.p1 PARTITION OF {{s}}.p FOR VALUES FROM (0) TO (10) PARTITION BY LIST (k);
        CREATE TABLE {{s}}.p11 PARTITION OF {{s}}.p1 FOR VALUES IN (1);
        CREATE TABLE {{s}}.p1d PARTITION OF {{s}}.p1 DEFAULT; CREATE TABLE {{s}}.p2 (v text, k int, id int);
        ALTER TABLE {{s}}.p ATTACH PARTITION {{s}}.p2 FOR VALUES FROM (10) TO (20);
        CREATE INDEX pi ON {{s}}.p (k); ALTER TABLE {{s}}.p ADD PRIMARY KEY (id, k);
        INSERT INTO {{s}}.p VALUES (1, 1, 'a'), (2, 2, 'b'), (11, 3, 'c');
        CREATE INDEX oi ON ONLY {{s}}.p (v);
        CREATE TABLE {{s}}.fk (a int, b int, FOREIGN KEY (a, b) REFERENCES {{s}}.p);
        INSERT INTO {{s}}.fk VALUES (1, 1);
        CREATE TRIGGER pt AFTER INSERT ON {{s}}.p FOR EACH ROW EXECUTE FUNCTION {{s}}.f();
        ALTER TABLE {{s}}.p11 DISABLE TRIGGER pt""",
    "views": """
        CREATE TABLE {s}.a (id int PRIMARY KEY, v int); INSERT INTO {s}.a VALUES (1, 2);
        CREATE VIEW {s}.v AS SELECT id, v FROM {s}.a WHERE v > 0 WITH CASCADED CHECK OPTION;
        ALTER VIEW {s}.v ALTER v SET DEFAULT 5; CREATE MATERIALIZED VIEW {s}.m AS SELECT * FROM {s}.v;
        CREATE MATERIALIZED VIEW {s}.m2 AS SELECT count(*) c FROM {s}.m;
        CREATE MATERIALIZED VIEW {s}.none AS SELECT 1 a WITH NO DATA; CREATE VIEW {s}.c1 AS SELECT 1 x;
        CREATE VIEW {s}.c2 AS SELECT * FROM {s}.c1; CREATE OR REPLACE VIEW {s}.c1 AS SELECT x FROM {s}.c2""",
    "sequences": """
        CREATE SEQUENCE {s}.s1 START 7 INCREMENT -3 MINVALUE -100 MAXVALUE 100 CYCLE CACHE 4;
        SELECT nextval('{s}.s1'); CREATE SEQUENCE {s}.never; CREATE SEQUENCE {s}.small AS smallint;
        CREATE TABLE {s}.a (id int GENERATED ALWAYS AS IDENTITY (START 50), s serial,
            x bigint DEFAULT nextval('{s}.s1'));
        INSERT INTO {s}.a DEFAULT VALUES; ALTER SEQUENCE {s}.s1 OWNED BY {s}.a.x;
        SELECT setval('{s}.a_s_seq', 1000, false)""",
    "inheritance": """
        CREATE TABLE {s}.ch (extra int) INHERITS (public.parent); INSERT INTO {s}.ch VALUES (5, 6);
        CREATE TABLE {s}.b1 (a int DEFAULT 1 CHECK (a > 0)); CREATE TABLE {s}.b2 (a int, b int NOT NULL);
        CREATE TABLE {s}.multi (c int) INHERITS ({s}.b1, {s}.b2); INSERT INTO {s}.multi VALUES (1, 2, 3);
        ALTER TABLE {s}.multi ALTER a SET DEFAULT 9""",
    "functions": """
        CREATE TABLE {s}.a (id int); INSERT INTO {s}.a VALUES (3);
        CREATE FUNCTION {s}.body() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {s}.a; END;
        CREATE FUNCTION {s}.of_row({s}.a) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.id';
        CREATE INDEX fi ON {s}.a ({s}.of_row(a)); CREATE VIEW {s}.v AS SELECT {s}.body() AS n;
        CREATE FUNCTION {s}.of_view() RETURNS SETOF {s}.v LANGUAGE sql AS 'SELECT * FROM {s}.v'""",
    "columns": """
        CREATE TABLE {s}.a (a int, b int, c text); INSERT INTO {s}.a VALUES (1, 2, repeat('ab', 2000000));
        ALTER TABLE {s}.a DROP COLUMN b, ADD COLUMN e int DEFAULT 5 NOT NULL;
        CREATE TABLE {s}.g (g int GENERATED ALWAYS AS (1) STORED); INSERT INTO {s}.g DEFAULT VALUES""",
    # What stands in an archive's list for no schema, for kinds, and between these.
    "-": "CREATE TABLE {s}.a (id int); INSERT INTO {s}.a VALUES (1); COMMENT ON SCHEMA {s} IS 'dash'",
    "SCHEMA": 'CREATE TABLE {s}."TABLE" (id int); INSERT INTO {s}."TABLE" VALUES (1)',
    "TABLE DATA": "CREATE TABLE {s}.a (id int); INSERT INTO {s}.a VALUES (1)",
    "DATA": "CREATE TABLE {s}.a (id int); CREATE MATERIALIZED VIEW {s}.m AS SELECT 1 AS a",
}
SINCE_18 = {
    "temporal": """
        CREATE TABLE {s}.a (id int4range, r int4range, PRIMARY KEY (id, r WITHOUT OVERLAPS));
        INSERT INTO {s}.a VALUES ('[1,2)', '[1,5)'); CREATE TABLE {s}.b (id int4range, r int4range,
            FOREIGN KEY (id, PERIOD r) REFERENCES {s}.a (id, PERIOD r));
        INSERT INTO {s}.b VALUES ('[1,2)', '[2,3)');
        CREATE TABLE {s}.v (a int, g int GENERATED ALWAYS AS (a * 2) VIRTUAL); INSERT INTO {s}.v VALUES (2);
        CREATE TABLE {s}.k (id int PRIMARY KEY); CREATE TABLE {s}.n (id int REFERENCES {s}.k NOT ENFORCED);
        ALTER TABLE {s}.n ADD CONSTRAINT nn NOT NULL id NOT VALID""",
}


def tenants_of_shapes(database: Database, role: str, *only: str) -> Sequence[str]:
    """Make a tenant of each of these shapes, or of all that the server knows; returns their names."""
    is_new = int(database.sql("SHOW server_version_num")) >= 18_00_00
    shapes = SHAPES | (SINCE_18 if is_new else {})
    shapes = {name: shapes[name] for name in only} or shapes
    database.sql(COMMON)
    for name, sql in shapes.items():
        made = sql.replace("{s}", quote(name)).replace("{role}", role)
        database.sql(f"CREATE SCHEMA {quote(name)};{made}")
    add_row(database, *shapes)
    return tuple(shapes)

"""Scripts of pg_restore, made fit for a transaction of another program."""

from railway_release.backup.sql_script import Definition, definitions, has_statements, parts
from railway_release.backup.toc import entries

ENTRIES = (
    "SCHEMA - a keeper",
    "FUNCTION a f() odd keeper",
    "ACL a TABLE t keeper",
    "FK CONSTRAINT a t k keeper",
    "POLICY a t p TO q keeper",
    "POLICY a t gone keeper",
    "INDEX a i keeper",
)
# Lines of a function that are a script's, and an entry's that is in no list.
BODY = """SET lock_timeout = 0;
\\restrict word
COPY t FROM stdin;
\\.
ALTER TABLE t OWNER TO nobody;
GRANT SELECT ON t TO nobody;
--
-- Name: x; Type: FK CONSTRAINT; Schema: a; Owner: keeper
--
"""
SCRIPT = f"""--
-- PostgreSQL database dump
--

\\restrict word
SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';

--
-- Name: a; Type: SCHEMA; Schema: -; Owner: keeper
--

CREATE SCHEMA a;


ALTER SCHEMA a OWNER TO keeper;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: f(); Type: FUNCTION; Schema: a; Owner: odd keeper; Tablespace: fast
--

CREATE FUNCTION a.f() RETURNS text LANGUAGE sql AS $$
{BODY}$$;


ALTER FUNCTION a.f() OWNER TO "odd keeper";

--
-- Name: TABLE t; Type: ACL; Schema: a; Owner: keeper
--

GRANT SELECT ON TABLE a.t TO reader;
GRANT ALL ON TABLE a.t TO "odd keeper" WITH GRANT OPTION;
REVOKE ALL ON TABLE a.t FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE keeper IN SCHEMA a GRANT SELECT ON TABLES TO "odd keeper";
SET SESSION AUTHORIZATION keeper;
GRANT SELECT ON TABLE a.t TO "odd keeper";
RESET SESSION AUTHORIZATION;


--
-- Name: t k; Type: FK CONSTRAINT; Schema: a; Owner: keeper
--

ALTER TABLE a.t ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES a.u;


--
-- Name: t p TO q; Type: POLICY; Schema: a; Owner: keeper
--

CREATE POLICY "p TO q" ON a."t TO u" FOR SELECT TO "odd keeper", reader, keeper USING ((x = ' TO nobody
SET default_tablespace = lost;
'));


--
-- Name: t gone; Type: POLICY; Schema: a; Owner: keeper
--

CREATE POLICY gone ON a.t AS RESTRICTIVE TO reader, keeper USING (true);


SET default_tablespace = lost;

--
-- Name: i; Type: INDEX; Schema: a; Owner: keeper; Tablespace: lost
--

CREATE INDEX i ON a.t USING btree (x);


SET default_tablespace = "of fast";

--
-- PostgreSQL database dump complete
--

\\unrestrict word
"""


def parted() -> list[Definition]:
    listed = entries("\n".join(f"1; 0 0 {line}" for line in ENTRIES), ["a"])
    return list(definitions([SCRIPT.encode()], listed))


def defined(*roles: str) -> list[tuple[str, str]]:
    return [(one.kind, one.sql.decode()) for one in (each.for_roles(roles) for each in parted())]


def test_a_script_is_parted_where_an_entry_begins_and_nowhere_else():
    found = defined("keeper", "odd keeper", "reader")

    assert [kind for kind, _ in found[:5]] == ["", "SCHEMA", "FUNCTION", "ACL", "FK CONSTRAINT"]
    settings, schema, function, privileges, key, *_ = (sql for _, sql in found)
    assert [line for line in settings.splitlines() if "SET" in line] == ["SET client_encoding = 'UTF8';"]
    assert "restrict" not in settings + key
    assert BODY in function
    assert "OWNER TO keeper" in schema
    assert 'OWNER TO "odd keeper"' in function
    assert len(privileges.split(";\n")) == 8
    assert key.rstrip("-\n").endswith("REFERENCES a.u;")


def test_what_names_a_role_that_is_not_there_is_left_out_and_what_only_looks_like_it_stays():
    _, schema, function, privileges, *_ = (sql for _, sql in defined("odd keeper"))

    assert "OWNER" not in schema.partition("keeper\n")[2]
    assert BODY in function
    assert 'OWNER TO "odd keeper"' in function
    assert [line for line in privileges.splitlines() if line and not line.startswith("--")] == [
        'GRANT ALL ON TABLE a.t TO "odd keeper" WITH GRANT OPTION;',
        "REVOKE ALL ON TABLE a.t FROM PUBLIC;",
    ]


def test_a_policy_is_for_those_of_its_roles_that_are_there_and_none_without_any():
    *_, some, none, _ = (sql for _, sql in defined("odd keeper", "keeper"))
    assert (
        'CREATE POLICY "p TO q" ON a."t TO u" FOR SELECT TO "odd keeper", keeper USING ((x = \' TO nob'
        in some
    )
    assert "CREATE POLICY gone ON a.t AS RESTRICTIVE TO keeper USING (true)" in none

    *_, some, none, _ = (sql for _, sql in defined())
    assert "POLICY" not in some + none
    assert "SET default_tablespace = lost;\n" in none


def test_what_was_in_a_table_space_that_is_gone_comes_into_the_usual_one():
    found = [one.for_spaces({"of fast"}).sql.decode() for one in parted()]

    *_, policy, before_index, index = found
    assert "SET default_tablespace = lost;\n" in policy  # a text
    assert ("lost" in before_index, "SET default_tablespace = '';\n" in before_index) == (False, True)
    assert 'SET default_tablespace = "of fast";' in index
    assert "SET default_tablespace = '';\n\nSET default_table_access_method" in found[1]


def test_comments_alone_are_nothing_to_run():
    assert not has_statements(b"\n--\n-- Data for Name: t; Type: TABLE DATA; Schema: a; Owner: o\n--\n\n")
    assert has_statements(b"--\n\nSELECT 1;\n")


def test_rows_are_told_from_statements_wherever_the_chunks_end():
    text = (
        b'SET x = 1;\nCOPY a.t (x, "y\nz") FROM stdin;\n1\nCOPY a.t (x) FROM stdin;\n\\.\n\n'
        b"SELECT setval('s', 3);\n"
    )
    for size in range(1, len(text)):
        chunks = [text[first : first + size] for first in range(0, len(text), size)]
        found = [
            (one.sql.strip(), b"".join(one.rows) if one.rows is not None else None) for one in parts(chunks)
        ]

        assert found == [
            (b"SET x = 1;", None),
            (b'COPY a.t (x, "y\nz") FROM stdin', b"1\nCOPY a.t (x) FROM stdin;\n"),
            (b"SELECT setval('s', 3);", None),
        ]

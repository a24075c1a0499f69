"""Scripts of pg_restore, made fit for a transaction of another program."""

from railway_release.backup.sql_script import commands, for_roles, parts, with_keys_apart

SCRIPT = b"""SET statement_timeout = 0;
SET transaction_timeout = 0;
\\restrict word
SET client_encoding = 'UTF8';
CREATE TABLE a.t (x int);
ALTER TABLE a.t OWNER TO keeper;
ALTER TABLE a."OWNER TO x" OWNER TO "odd keeper";
GRANT SELECT ON TABLE a.t TO reader;
GRANT ALL ON TABLE a.t TO "odd keeper" WITH GRANT OPTION;
REVOKE ALL ON TABLE a.t FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE keeper IN SCHEMA a GRANT SELECT ON TABLES TO reader;
\\unrestrict word
"""


def test_limits_and_what_is_for_psql_alone_are_left_out():
    text = commands([SCRIPT]).decode()

    assert "timeout" not in text
    assert "restrict" not in text
    assert "client_encoding" in text


def test_what_names_a_role_that_is_not_there_is_left_out():
    kept = for_roles(commands([SCRIPT]), {"odd keeper"}).decode().splitlines()

    assert [line for line in kept if "OWNER" in line] == ['ALTER TABLE a."OWNER TO x" OWNER TO "odd keeper";']
    assert [line for line in kept if "GRANT" in line] == [
        'GRANT ALL ON TABLE a.t TO "odd keeper" WITH GRANT OPTION;'
    ]
    assert [line for line in kept if "REVOKE" in line] == ["REVOKE ALL ON TABLE a.t FROM PUBLIC;"]
    assert for_roles(SCRIPT, {"odd keeper", "keeper", "reader"}) == SCRIPT


def test_rows_are_told_from_statements_wherever_the_chunks_end():
    text = (
        b"SET x = 1;\nCOPY a.t (x) FROM stdin;\n1\nCOPY a.t (x) FROM stdin;\n\\.\n\nSELECT setval('s', 3);\n"
    )
    for size in range(1, len(text)):
        chunks = [text[first : first + size] for first in range(0, len(text), size)]
        found = [
            (one.sql.strip(), b"".join(one.rows) if one.rows is not None else None) for one in parts(chunks)
        ]

        assert found == [
            (b"SET x = 1;", None),
            (b"COPY a.t (x) FROM stdin", b"1\nCOPY a.t (x) FROM stdin;\n"),
            (b"SELECT setval('s', 3);", None),
        ]


def test_keys_come_alone_and_everything_stays_in_order():
    script = b"SET a = 1;\n" + b"".join(
        b"-- Name: %s; Type: %s; Schema: s; Owner: me\n--\n%s;\n" % one
        for one in (
            (b"i", b"INDEX", b"CREATE INDEX i"),
            (b"t k", b"FK CONSTRAINT", b"ALTER TABLE t ADD k"),
            (b"k", b"COMMENT", b"COMMENT ON CONSTRAINT k"),
            (b"t l", b"FK CONSTRAINT", b"ALTER TABLE t ADD l"),
        )
    )
    found = list(with_keys_apart(script))

    assert b"".join(sql for _, sql in found) == script
    assert [sql.splitlines()[-1] for is_key, sql in found if is_key] == [
        b"ALTER TABLE t ADD k;",
        b"ALTER TABLE t ADD l;",
    ]
    assert not any(b"FK CONSTRAINT" in sql for is_key, sql in found if not is_key)

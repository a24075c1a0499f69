"""The lists of archives, and which schemas share one, without a server."""

import pytest

from railway_release.backup.archive import pattern
from railway_release.backup.batches import batches
from railway_release.backup.toc import as_listed, entries
from railway_release.errors import BackupFailed

# Batches


@pytest.mark.parametrize(
    ("relations", "free", "expected"),
    [
        ({"a": 10, "b": 10, "c": 10}, 90, [("a", "b", "c")]),
        ({"a": 10, "b": 10, "c": 10}, 89, [("a", "b"), ("c",)]),
        ({"a": 10, "b": 100, "c": 10}, 60, [("a",), ("b",), ("c",)]),
        ({"a": 1, "b": 1}, 0, [("a",), ("b",)]),
        ({"empty": 0, "void": 0}, 0, [("empty", "void")]),
        ({"a": 1, "a b": 1, "c": 1}, 900, [("a",), ("a b", "c")]),
        ({"a b": 1, "x": 1, "a": 1}, 900, [("a b", "x"), ("a",)]),
        ({"a": 1, "ab": 1}, 900, [("a", "ab")]),
        ({"a": 1, "DATA": 1, "b": 1}, 900, [("a",), ("DATA",), ("b",)]),
        ({}, 900, []),
    ],
)
def test_a_batch_takes_a_third_of_the_locks_and_no_names_that_are_confused(relations, free, expected):
    assert batches(relations, free) == expected


# The list of an archive


LIST = """
;
; Archive created at 2026-11-29
;
6; 2615 16607 SCHEMA - Two Words owner
8; 2615 16609 SCHEMA - other owner
9; 0 0 COMMENT - SCHEMA "Two Words" owner
10; 0 0 ACL - SCHEMA Two Words owner
251; 1259 16633 TABLE Two Words odd "table" postgres
252; 0 16633 TABLE DATA Two Words odd "table" postgres
253; 1259 16634 MATERIALIZED VIEW Two Words kept postgres
254; 1259 16635 MATERIALIZED VIEW DATA Two Words kept postgres
255; 2606 16643 FK CONSTRAINT Two Words a a_b_fkey postgres
256; 1259 1 TABLE Two table postgres
257; 1259 2 TABLE TABLE DATA postgres
"""


def test_entries_are_told_by_kind_schema_and_the_rest():
    found = entries(LIST, ["Two Words"])

    assert [(one.dump_id, one.kind, one.rest) for one in found] == [
        (6, "SCHEMA", "owner"),
        (9, "COMMENT", "owner"),
        (10, "ACL", "owner"),
        (251, "TABLE", 'odd "table" postgres'),
        (252, "TABLE DATA", 'odd "table" postgres'),
        (253, "MATERIALIZED VIEW", "kept postgres"),
        (254, "MATERIALIZED VIEW DATA", "kept postgres"),
        (255, "FK CONSTRAINT", "a a_b_fkey postgres"),
    ]


@pytest.mark.parametrize(
    ("schema", "line", "expected"),
    [
        ("-", "6; 2615 1 SCHEMA - - owner", ("SCHEMA", "owner")),
        ("-", "7; 0 0 ACL - SCHEMA - owner", ("ACL", "owner")),
        ("-", "8; 1259 1 TABLE - a owner", ("TABLE", "a owner")),
        ("-", "9; 2615 2 SCHEMA - a owner", None),
        ("a", "8; 1259 1 TABLE - a owner", None),
        ("DATA", "8; 1259 1 TABLE DATA a owner", ("TABLE", "a owner")),
        ("DATA", "9; 0 1 TABLE DATA DATA a owner", ("TABLE DATA", "a owner")),
        ("DATA", "8; 1259 1 MATERIALIZED VIEW DATA m owner", ("MATERIALIZED VIEW", "m owner")),
        ("SCHEMA", "6; 2615 1 SCHEMA - SCHEMA owner", ("SCHEMA", "owner")),
    ],
)
def test_schemas_that_are_called_as_what_a_list_is_written_with_are_found(schema, line, expected):
    found = [(one.kind, one.rest) for one in entries(line, [schema])]

    assert found == ([expected] if expected else [])


def test_a_kind_that_is_not_known_is_refused():
    with pytest.raises(BackupFailed, match="PROPERTY GRAPH a b owner"):
        entries("1; 1 2 PROPERTY GRAPH a b owner", ["a"])


def test_line_breaks_in_names_are_spaces_in_the_list():
    assert as_listed("a\nb", "c\r\nd") == "a b c  d"


@pytest.mark.parametrize(("name", "expected"), [("a", '"a"'), ('a"b', '"a""b"'), ("a.b*", '"a.b*"')])
def test_a_pattern_means_one_schema(name, expected):
    assert pattern(name) == expected

"""Which missing tables and columns are found in a text, however it was quoted on its way."""

import json

import pytest

from railway_release.diagnosis.errortext import Missing, from_a_deletion, may_name, missing_in, named_in

TABLE = Missing("buildings_membership")
TEXTS = {
    "as the server prints it": 'relation "buildings_membership" does not exist',
    "with the severity": 'ERROR:  relation "buildings_membership" does not exist at character 15',
    "typed without quotes": "relation buildings_membership does not exist",
    "from DROP TABLE": 'table "buildings_membership" does not exist',
    "from Django": 'django.db.utils.ProgrammingError: relation "buildings_membership" does not exist\nLINE 1',
    "in a line of JSON": json.dumps({"message": 'relation "buildings_membership" does not exist\nLINE 1'}),
    "in JSON within JSON": json.dumps(
        {"m": json.dumps({"e": 'relation "buildings_membership" does not exist'})}
    ),
    "with escaped characters": r"relation \u0022buildings_membership\u0022 does not exist",
    "on Django's error page": "relation &quot;buildings_membership&quot; does not exist",
    "wrapped by a terminal": 'relation "buildings_membership" does\n    not exist',
    "in capitals": 'RELATION "buildings_membership" DOES NOT EXIST',
    "repeated in one traceback": 'relation "buildings_membership" does not exist\n' * 3,
}


@pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
def test_one_missing_table(text):
    assert missing_in(text) == [TABLE]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('relation "athena.buildings_membership" does not exist', Missing("athena.buildings_membership")),
        ('relation "athena"."buildings_membership" does not exist', Missing("athena.buildings_membership")),
        ('relation "my tenant.table" does not exist', Missing("my tenant.table")),
        ("column votes_submission.mills does not exist", Missing("votes_submission", "mills")),
        ('column "votes_submission"."mills" does not exist', Missing("votes_submission", "mills")),
        ("column T3.mills does not exist", Missing("T3", "mills")),
        ('column "mills" does not exist', Missing("", "mills")),
        (
            'column "mills" of relation "votes_submission" does not exist',
            Missing("votes_submission", "mills"),
        ),
        (
            r"{\"error\": \"column \\\"mills\\\" of relation \\\"votes_submission\\\" does not exist\"}",
            Missing("votes_submission", "mills"),
        ),
        ('relation "buildings_κτίριο" does not exist', Missing("buildings_κτίριο")),
        (json.dumps('relation "buildings_κτίριο" does not exist'), Missing("buildings_κτίριο")),
    ],
)
def test_what_is_named(text, missing):
    assert missing_in(text) == [missing]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("psycopg.errors.UndefinedTable: FEHLER:  Relation »a_b« existiert nicht\nLINE 1: x", Missing("a_b")),
        ("la relation « a_b » n'existe pas (SQLSTATE 42P01)", Missing("a_b")),
        ("UndefinedTable: la relation « a_b » n'existe pas", Missing("a_b")),
        ("42P01: relationen ”t.a_b” finns inte", Missing("t.a_b")),
        ("psycopg.errors.UndefinedColumn: Spalte a_b.c existiert nicht", Missing("a_b", "c")),
        ('ERROR 42703: колонка "c" не существует', Missing("", "c")),
    ],
)
def test_another_language_is_understood_by_its_code(text, missing):
    assert missing_in(text) == [missing]


@pytest.mark.parametrize(
    "text",
    [
        "Relation »t.a_b« existiert nicht, sagt »niemand«",
        "FEHLER:  Relation »t.a_b« existiert nicht",
        "ΣΦΑΛΜΑ:  η σχέση «t.a_b» δεν υπάρχει",
    ],
)
def test_another_language_without_a_code_is_understood_by_known_tables(text):
    assert (may_name(text), named_in(text, {"a_b"})) == (True, [Missing("t.a_b")])


def test_english_about_something_else_is_not_taken_for_another_language():
    text = 'new row for relation "a_b" violates check constraint "c"'

    assert (may_name(text), named_in(text, {"a_b"})) == (False, [])


def test_several_are_found_in_their_order():
    text = 'relation "b" does not exist\ncolumn a.x does not exist\nrelation "b" does not exist'

    assert missing_in(text) == [Missing("b"), Missing("a", "x")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        'relation "x" already exists',
        'permission denied for relation "x"',
        'schema "athena" does not exist',
        "the relation does not exist any more",
    ],
)
def test_other_texts_name_nothing(text):
    assert missing_in(text) == []


@pytest.mark.parametrize(
    ("text", "deleting"),
    [
        ('File "/app/.venv/django/db/models/deletion.py", line 345, in collect', True),
        ("POST /admin/users/user/1/delete/ 500", True),
        ('relation "x" does not exist', False),
    ],
)
def test_whether_something_was_being_deleted(text, deleting):
    assert from_a_deletion(text) is deleting

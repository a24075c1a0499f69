"""What the text of a migration's own SQL tells beforehand."""

import pytest
from django.contrib.postgres.operations import HStoreExtension
from django.db.migrations import RunSQL

from railway_release.engine.sql import changes_shared_objects, ends_transaction, text_of

ENDING = [
    "COMMIT",
    "commit; VACUUM",
    "SELECT 1;\nROLLBACK;",
    "ABORT",
    "END",
    "select 1; end work",
    "PREPARE TRANSACTION 'x'",
]
STAYING = [
    "SELECT 'COMMIT'",
    "DO $$ BEGIN PERFORM 1; END $$",
    "-- COMMIT\nSELECT 1",
    "UPDATE t SET x = CASE WHEN y THEN 1 ELSE 2 END",
    "CREATE TABLE commits (id int)",
]


@pytest.mark.parametrize("text", ENDING)
def test_sql_that_ends_its_transaction_is_recognised(text):
    assert ends_transaction(text)


@pytest.mark.parametrize("text", STAYING)
def test_words_in_constants_comments_names_and_bodies_end_nothing(text):
    assert not ends_transaction(text)


EVERYBODYS = [
    "CREATE OR REPLACE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    'ALTER TABLE "public"."x" ADD COLUMN y int',
    "CREATE EXTENSION IF NOT EXISTS hstore",
    "DO $$ BEGIN EXECUTE 'GRANT USAGE ON SCHEMA s TO r'; END $$",
    "CREATE ROLE r",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r",
]
OWN = [
    "INSERT INTO x SELECT * FROM public.y",
    "CREATE TABLE republic.x (id int)",
    "CREATE INDEX i ON x (y)",
    "UPDATE x SET grants = 1",
]


@pytest.mark.parametrize("text", EVERYBODYS)
def test_sql_that_changes_what_schemas_share_is_recognised(text):
    assert changes_shared_objects(RunSQL(text), "public")


@pytest.mark.parametrize("text", OWN)
def test_sql_that_reads_what_schemas_share_or_changes_its_own_is_told_from_that(text):
    assert not changes_shared_objects(RunSQL(text), "public")


def test_the_operations_that_create_extensions_change_what_schemas_share():
    assert changes_shared_objects(HStoreExtension(), "public")


def test_statements_that_are_listed_are_one_text():
    listed = RunSQL(["UPDATE t SET x = 1", "COMMIT", ("CREATE EXTENSION IF NOT EXISTS hstore", None)])

    assert ends_transaction(text_of(listed))
    assert changes_shared_objects(listed, "public")
    assert text_of(RunSQL([])) == ""

"""Which SQL of a migration may have made what is found in a table."""

import re

import pytest
from django.db import migrations

from railway_release.migrations.own_sql import own_sql, relations_made

_TEXT = "ALTER TABLE shop_item ADD CHECK (price > 0)"


def _quietly(apps, _):
    apps.get_model("shop", "Item").objects.update(name="CHECK")


def _named(_, schema_editor):
    schema_editor.execute("ALTER TABLE shop_item ALTER name DROP NOT NULL")


def _by_another(_, schema_editor):
    _send(schema_editor)


def _send(editor):
    editor.execute(_TEXT)


def _composed(apps, schema_editor):
    table = apps.get_model("shop", "Item")._meta.db_table
    schema_editor.execute(f"ALTER TABLE {table} ALTER name DROP NOT NULL")


class _Own(migrations.operations.base.Operation):
    """What somebody has written."""


def may(operation, table: str = "shop_item", app: str = "shop") -> bool:
    migration = migrations.Migration("0002_more", "shop")
    migration.operations = [operation]
    found = own_sql(("shop", "0002_more"), migration)
    return any(one.may_have(app, table, re.compile("CHECK|NOT NULL")) for one in found)


def sql(text) -> migrations.RunSQL:
    return migrations.RunSQL(text)


@pytest.mark.parametrize(
    "operation",
    [
        sql(_TEXT),
        sql([_TEXT]),
        sql([("ALTER TABLE shop_item ADD CHECK (price > %s)", [0])]),
        sql('alter table "shop_item" add CHECK (price > 0)'),
        sql("DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD CHECK (true)', 'x'); END $$"),
        sql("DO $$ BEGIN EXECUTE 'ALTER TABLE ' || name || ' ADD CHECK (true)'; END $$"),
        migrations.SeparateDatabaseAndState([sql(_TEXT)], []),
        migrations.RunPython(_named),
        migrations.RunPython(_by_another),
        migrations.RunPython(_composed),
        _Own(),
    ],
)
def test_it_may_where_it_names_the_table_or_does_not_say_which(operation):
    assert may(operation)


@pytest.mark.parametrize(
    ("operation", "table", "app"),
    [
        (sql("ALTER TABLE shop_item ADD note text"), "shop_item", "shop"),
        (sql(_TEXT), "shop_item_more", "shop"),
        (sql(_TEXT), "shop_order", "shop"),
        (sql(f"{_TEXT}; UPDATE shop_order SET price = 1"), "shop_order", "shop"),
        (sql("ALTER TABLE shop_item ADD REFERENCES public.shop_order CHECK"), "shop_order", "shop"),
        (migrations.RunPython(_quietly), "shop_item", "shop"),
        (migrations.RunPython(_named), "shop_order", "shop"),
        (migrations.RunPython(_composed), "shop_item", "other"),
        (_Own(), "other_item", "other"),
        (sql(migrations.RunSQL.noop), "shop_item", "shop"),
    ],
)
def test_it_may_not_where_words_or_table_are_others(operation, table, app):
    assert not may(operation, table, app)


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        (
            "CREATE INDEX Shop_Extra ON shop_item (lower(name)); CREATE VIEW v AS SELECT 1",
            ["shop_extra", "v"],
        ),
        ('CREATE UNIQUE INDEX CONCURRENTLY "Shop Extra" ON shop_item (name)', ["Shop Extra"]),
        (["CREATE MATERIALIZED VIEW m AS SELECT 1", ("CREATE SEQUENCE s START %s", [1])], ["m", "s"]),
        ("CREATE TABLE public.t (id int); CREATE INDEX ON t (id)", []),  # of another schema; of any name
        ("CREATE TABLE IF NOT EXISTS t (id int)", []),
        ("DROP VIEW v; CREATE VIEW v AS SELECT 2", []),
        ("CREATE OR REPLACE VIEW v AS SELECT 2", []),
        ("DO $$ BEGIN CREATE TABLE t (id int); EXCEPTION WHEN duplicate_table THEN NULL; END $$", []),
    ],
)
def test_the_names_are_read_that_must_not_be_there_before(sql: object, made: list[str]) -> None:
    migration = migrations.Migration("0001_initial", "shop")
    migration.operations = [migrations.RunSQL(sql), migrations.RunPython(_named)]

    assert [*relations_made(migration)] == made

"""What Django calls tables and columns, and PostgreSQL stores."""

import pytest
from django.apps import apps
from django.db import models
from django.db.migrations.state import ModelState

from railway_release.naming import (
    column_of_state,
    db_table_of_state,
    joining_tables,
    split_table,
    table_of_state,
)


@pytest.fixture(autouse=True)
def _ready(monkeypatch):
    """Fields that point somewhere ask whether models are loaded; here there are none to load."""
    monkeypatch.setattr(apps, "models_ready", True)


LONG = "Κτίριο" * 6  # 36 letters, 72 bytes


@pytest.mark.parametrize(
    ("db_table", "expected"),
    [
        ("shop_item", ("", "shop_item")),
        ('"Shop Item"', ("", "Shop Item")),
        ('"other"."item"', ("other", "item")),
        ('other"."item', ("other", "item")),
        (LONG, ("", LONG[:31])),
        ("dotted.name", ("", "dotted.name")),
    ],
)
def test_a_name_may_be_quoted_have_a_schema_and_be_too_long(db_table, expected):
    assert split_table(db_table) == expected


def state(**options):
    fields = [("id", models.AutoField(primary_key=True)), ("tags", models.ManyToManyField("shop.Tag"))]
    return ModelState("shop", "Item", fields, options)


def test_a_model_of_a_state_has_the_table_that_django_gives_it():
    assert (table_of_state(state()), dict(joining_tables(state()))) == (
        "shop_item",
        {"tags": "shop_item_tags"},
    )


def test_a_joining_table_goes_where_its_model_is():
    named = state(db_table='"other"."item"')
    ((_, joining),) = joining_tables(named)

    assert (db_table_of_state(named), split_table(joining)) == ('"other"."item"', ("other", "item_tags"))


def test_a_joining_table_with_a_model_of_its_own_is_none():
    through = models.ManyToManyField("shop.Tag", through="shop.Tagging")

    assert list(joining_tables(ModelState("shop", "Item", [("tags", through)]))) == []


def test_a_key_of_a_state_has_the_column_of_its_attribute():
    key = models.ForeignKey("shop.Tag", models.CASCADE)

    assert (column_of_state("tag", key), column_of_state("name", models.TextField(db_column="label"))) == (
        "tag_id",
        "label",
    )

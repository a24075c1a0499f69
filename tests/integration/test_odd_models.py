"""Fields, indexes and constraints of every odd kind: as django-tenants makes them, and without them."""

from collections import Counter

import pytest

from tests.support.release import Project

from .test_verification import judged

IMPORTS = """
import datetime
import uuid

import django.contrib.postgres.fields as pg
import django.contrib.postgres.indexes as pgi
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.indexes import OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Concat, Left, Lower, Now, Upper

DAY = datetime.date(2020, 1, 2)


class Strange(models.Field):
    def db_type(self, connection):
        return "double precision"

    def db_parameters(self, connection):
        return {"type": self.db_type(connection), "check": '"odd" > 0.5', "collation": None}
"""

OPERATIONS = """
migrations.CreateModel("Odd", [
    ("id", models.UUIDField(primary_key=True, default=uuid.uuid4)),
    ("Cap", models.CharField(max_length=5, db_column='Cap it', unique=True)),
    ("long", models.TextField(db_column="a" * 63, db_index=True)),
    ("tags", pg.ArrayField(models.CharField(max_length=10), size=3)),
    ("nested", pg.ArrayField(pg.ArrayField(models.DecimalField(max_digits=5, decimal_places=2)))),
    ("store", pg.HStoreField(null=True)),
    ("span", pg.DateTimeRangeField(null=True)),
    ("ints", pg.IntegerRangeField(null=True)),
    ("big", pg.BigIntegerRangeField(null=True)),
    ("vector", SearchVectorField(null=True)),
    ("small", models.PositiveSmallIntegerField(db_default=3)),
    ("flag", models.BooleanField(db_default=False)),
    ("when", models.DateTimeField(db_default=Now())),
    ("day", models.DateField(db_default=DAY)),
    ("text", models.CharField(max_length=9, db_default="it's 50% %s")),
    ("price", models.DecimalField(max_digits=6, decimal_places=2, db_default=1)),
    ("data", models.JSONField(db_default={"a": [1, "x"]})),
    ("length", models.DurationField(db_default=datetime.timedelta(days=1))),
    ("upper", models.GeneratedField(
        expression=Upper("text"), output_field=models.CharField(max_length=9), db_persist=True)),
    ("both", models.GeneratedField(
        expression=Concat("text", Value("-50%"), "text"), output_field=models.TextField(), db_persist=True)),
    ("ip", models.GenericIPAddressField(null=True, db_index=True)),
    ("bin", models.BinaryField(null=True)),
    ("time", models.TimeField(null=True)),
    ("float", models.FloatField(null=True)),
    ("odd", Strange(default=1)),
    ("slug", models.SlugField(unique=True)),
    ("file", models.FileField(upload_to="x")),
    ("coll", models.TextField(db_collation="C", unique=True)),
], options={"db_table": "Odd Table",
  "indexes": [
    models.Index(fields=["-small", "Cap"], name="odd_1"),
    pgi.GinIndex(fields=["data"], name="odd_2", opclasses=["jsonb_path_ops"]),
    pgi.GinIndex(fields=["data"], name="odd_2b", opclasses=["jsonb_ops"]),
    pgi.GinIndex(fields=["tags"], name="odd_3", fastupdate=False),
    pgi.GistIndex(fields=["span"], name="odd_4", include=["small"]),
    pgi.BrinIndex(fields=["when"], name="odd_5", pages_per_range=4, autosummarize=True),
    pgi.HashIndex(fields=["slug"], name="odd_6"),
    pgi.BTreeIndex(fields=["price"], name="odd_7", fillfactor=50),
    pgi.SpGistIndex(fields=["text"], name="odd_8"),
    pgi.GinIndex(OpClass(Lower("text"), name="gin_trgm_ops"), name="odd_9"),
    models.Index(Lower("text").desc(nulls_last=True), F("small").asc(), name="odd_10"),
    models.Index(fields=["small"], name="odd_11", condition=Q(text__startswith="50%", day__gt=DAY)),
    models.Index(Coalesce("float", "small", output_field=models.FloatField()), name="odd_12"),
    models.Index(fields=["text"], opclasses=["varchar_pattern_ops"], name="odd_13"),
    models.Index(F("data__a__0"), name="odd_14"),
    models.Index(Left("text", 3), "small", name="odd_15"),
    models.Index(F("small") + F("price"), name="odd_16"),
  ],
  "constraints": [
    models.CheckConstraint(condition=Q(text__regex=r"^[a-z]{1,3}%$") | Q(small__in=[1, 2, 3]), name="odd_c1"),
    models.CheckConstraint(condition=Q(data__has_key="a") | Q(data__a__0=1), name="odd_c2"),
    models.CheckConstraint(condition=Q(tags__contains=["x"]) | Q(tags__len=2), name="odd_c3"),
    models.CheckConstraint(condition=Q(span__isempty=False) | Q(span__isnull=True), name="odd_c4"),
    models.CheckConstraint(condition=Q(when__date__gte=DAY), name="odd_c5"),
    models.CheckConstraint(condition=Q(small__gt=F("price") * 2 - 5) | ~Q(flag=True), name="odd_c6"),
    models.CheckConstraint(condition=Q(text__icontains="x") | Q(text__iexact="Y"), name="odd_c7"),
    models.CheckConstraint(condition=Q(length__lte=datetime.timedelta(hours=30)), name="odd_c8"),
    models.CheckConstraint(condition=Q(float__range=(0.5, 1.5)), name="odd_c10"),
    models.UniqueConstraint(Lower("text"), "small", name="odd_u1"),
    models.UniqueConstraint(fields=["small", "day"], name="odd_u2", nulls_distinct=False),
    models.UniqueConstraint(fields=["small"], name="odd_u3", include=["day", "text"]),
    models.UniqueConstraint(fields=["day"], name="odd_u4", deferrable=models.Deferrable.IMMEDIATE),
    models.UniqueConstraint(fields=["text"], name="odd_u5", opclasses=["varchar_pattern_ops"]),
    models.UniqueConstraint(fields=["price"], name="odd_u6", condition=Q(flag=True)),
    ExclusionConstraint(name="odd_x1", expressions=[("span", "&&"), ("small", "=")], condition=Q(flag=True)),
    ExclusionConstraint(name="odd_x2", expressions=[(OpClass("ints", "range_ops"), "&&")],
        deferrable=models.Deferrable.DEFERRED),
  ], "unique_together": {("small", "slug"), ("Cap", "ip")}}),
migrations.CreateModel("Pair", [
    ("pk", models.CompositePrimaryKey("one", "two")),
    ("one", models.IntegerField()), ("two", models.CharField(max_length=4)),
    ("odd", models.ForeignKey("Odd", models.CASCADE, to_field="slug", db_column="odd_slug")),
    ("loose", models.ForeignKey(
        "Odd", models.CASCADE, db_constraint=False, db_index=False, related_name="+")),
    ("own", models.OneToOneField("Odd", models.SET_NULL, null=True, related_name="+")),
]),
migrations.CreateModel("Child", [
    ("odd_ptr", models.OneToOneField(
        "Odd", models.CASCADE, auto_created=True, parent_link=True, primary_key=True, serialize=False)),
    ("friends", models.ManyToManyField("self")),
    ("odds", models.ManyToManyField("Odd", related_name="+", db_table="Odd m2m")),
], bases=("announcements.odd",)),
"""


LATER = """
migrations.AlterField("odd", "slug", models.TextField(unique=True)),
migrations.AlterField("odd", "ip", models.GenericIPAddressField(null=True)),
migrations.AlterField("odd", "float", models.FloatField(null=True, unique=True)),
migrations.RenameField("odd", "bin", "binary"),
migrations.AlterModelTable("pair", "pairs of it"),
"""

# Whatever keeps rows apart or makes queries quick, but for keys that others point to.
PARTS = """
SELECT CASE contype WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclusion' ELSE 'unique' END || '.missing',
    conname, true
FROM pg_constraint c WHERE conrelid = 'athena."Odd Table"'::regclass AND contype IN ('c', 'u', 'x')
    AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = c.conindid)
UNION ALL
SELECT CASE WHEN indisunique THEN 'unique' ELSE 'index' END || '.missing', c.relname, false
FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'athena."Odd Table"'::regclass
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


@pytest.fixture
def odd(current: Project) -> Project:
    """Three tenants with these models."""
    current.settings(
        "SHARED_APPS = [*SHARED_APPS, 'django.contrib.postgres']\n"
        "INSTALLED_APPS = [*INSTALLED_APPS, 'django.contrib.postgres']"
    )
    current.database.sql("CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gist")
    current.migration("announcements", "0004_odd", "0003_announcement_pinned", OPERATIONS, IMPORTS)
    current.migration("announcements", "0005_later", "0004_odd", LATER)
    run = current.run("--no-collectstatic")
    assert run.code == 0, run.text
    return current


def test_odd_models_are_what_is_expected(odd: Project) -> None:
    assert judged(odd.run("verify")) == []


def test_each_of_their_parts_is_missed_once(odd: Project) -> None:
    parts = [line.split("|") for line in odd.database.lines(PARTS)]
    for _, name, is_constraint in parts:
        drop = f'ALTER TABLE athena."Odd Table" DROP CONSTRAINT "{name}"'
        odd.database.sql(drop if is_constraint == "t" else f'DROP INDEX athena."{name}"')
    found = judged(odd.run("verify"))

    assert Counter(one[0] for one in found) == Counter(id for id, *_ in parts), (sorted(found), parts)
    assert len(parts) > 40


def test_each_of_their_parts_and_tables_is_made_anew(odd: Project) -> None:
    for line in odd.database.lines(PARTS):
        _, name, is_constraint = line.split("|")
        drop = f'ALTER TABLE athena."Odd Table" DROP CONSTRAINT "{name}"'
        odd.database.sql(drop if is_constraint == "t" else f'DROP INDEX athena."{name}"')
    odd.database.sql(
        'DROP TABLE kypseli."Odd Table", kypseli."pairs of it", kypseli."Odd m2m" CASCADE;'
        'ALTER TABLE piraeus."Odd Table" DROP id CASCADE, DROP "Cap it", DROP tags, DROP store, DROP span,'
        ' DROP "both", DROP price CASCADE, DROP odd, DROP slug CASCADE'
    )
    run = odd.run("repair", "--apply", "--warnings")

    assert (run.code, {*run.states.values()}) == (0, {"current", "repaired"}), run.text
    assert odd.run("repair", "--warnings").report["remedies"] == []

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.contrib.postgres.indexes import (
    BloomIndex,
    BrinIndex,
    BTreeIndex,
    GinIndex,
    GistIndex,
    HashIndex,
    OpClass,
    SpGistIndex,
)
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    dependencies = [("extras", "0001_initial")]
    operations = [
        migrations.AddIndex("room", GinIndex(fields=["tags"], name="room_gin")),
        migrations.AddIndex(
            "room", GinIndex(fields=["name"], name="room_trigram", opclasses=["gin_trgm_ops"])
        ),
        migrations.AddIndex("room", GistIndex(fields=["span"], name="room_gist", fillfactor=60)),
        migrations.AddIndex("room", BrinIndex(fields=["number"], name="room_brin", pages_per_range=4)),
        migrations.AddIndex("room", BTreeIndex(fields=["number"], name="room_btree", fillfactor=70)),
        migrations.AddIndex("room", HashIndex(fields=["name"], name="room_hash")),
        migrations.AddIndex("room", SpGistIndex(fields=["name"], name="room_spgist")),
        migrations.AddIndex("room", BloomIndex(fields=["number"], name="room_bloom", length=96, columns=[4])),
        migrations.AddIndex("room", GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="room_upper")),
        migrations.AddConstraint(
            "room",
            ExclusionConstraint(
                name="room_exclusion",
                expressions=[("number", RangeOperators.EQUAL), ("span", RangeOperators.OVERLAPS)],
                condition=models.Q(number__gt=0),
            ),
        ),
    ]

import datetime
import decimal
import uuid

from django.db import connection, migrations, models
from django.db.models.functions import Lower, Now


def rows_now():
    """Another value in every schema, so it has to be asked for in each."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM fields_thing")
        return f"{connection.schema_name} had {cursor.fetchone()[0]}"


class Migration(migrations.Migration):
    dependencies = [("fields", "0001_initial")]
    operations = [
        migrations.AddField("thing", "plain", models.IntegerField(default=3)),
        migrations.AddField("thing", "nullable", models.IntegerField(null=True)),
        migrations.AddField("thing", "counted", models.CharField(max_length=99, default=rows_now)),
        migrations.AddField(
            "thing", "once", models.CharField(max_length=9, default="it's 5%"), preserve_default=False
        ),
        migrations.AddField("thing", "ready", models.IntegerField(db_default=5)),
        migrations.AddField(
            "thing", "lowered", models.CharField(max_length=9, db_default=Lower(models.Value("ABC")))
        ),
        migrations.AddField("thing", "differs_since", models.DateTimeField(db_default=Now())),
        migrations.AddField(
            "thing", "differs_now", models.DateTimeField(auto_now_add=True, default=datetime.datetime.now)
        ),
        migrations.AddField("thing", "differs_uuid", models.UUIDField(default=uuid.uuid4)),
        migrations.AddField("thing", "both", models.IntegerField(default=1, db_default=2)),
        migrations.AddField("thing", "unique_null", models.CharField(max_length=20, unique=True, null=True)),
        migrations.AddField("thing", "indexed", models.CharField(max_length=20, db_index=True, default="")),
        migrations.AddField("thing", "indexed_number", models.BigIntegerField(db_index=True, null=True)),
        migrations.AddField("thing", "positive", models.PositiveIntegerField(default=1)),
        migrations.AddField("thing", "commented", models.TextField(default="", db_comment="it's a comment")),
        migrations.AddField(
            "thing", "sorted", models.CharField(max_length=9, default="", db_collation="POSIX")
        ),
        migrations.AddField("thing", "column", models.IntegerField(db_column="Odd Column", default=0)),
        migrations.AddField(
            "thing",
            "json",
            models.JSONField(default=list, db_default=models.Value({"a": ["%s"]}, models.JSONField())),
        ),
        migrations.AddField(
            "thing",
            "decimal",
            models.DecimalField(max_digits=6, decimal_places=3, default=decimal.Decimal("1.5")),
        ),
        migrations.AddField("thing", "span", models.DurationField(default=datetime.timedelta(hours=1))),
        migrations.AddField("thing", "bytes", models.BinaryField(default=b"%s\x00")),
        migrations.AddField(
            "thing",
            "doubled",
            models.GeneratedField(
                expression=models.F("amount") * 2, output_field=models.IntegerField(), db_persist=True
            ),
        ),
        migrations.AddField(
            "named",
            "loud",
            models.GeneratedField(
                expression=Lower("code"),
                output_field=models.CharField(max_length=10, db_index=True),
                db_persist=True,
                unique=True,
            ),
        ),
    ]

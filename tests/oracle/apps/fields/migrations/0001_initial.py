from django.db import connection, migrations, models


def fill(apps, schema_editor):
    thing = apps.get_model("fields", "Thing")
    schema = schema_editor.connection.schema_name
    thing.objects.bulk_create(
        thing(
            name=f"{schema} {number}", code=f"{schema[:20]}-{number}", amount=number, note=None, size=number
        )
        for number in range(len(schema))
    )


def schema_now():
    return connection.schema_name


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Thing",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=60)),
                ("code", models.CharField(max_length=40, unique=True)),
                ("amount", models.IntegerField(default=0)),
                ("size", models.PositiveSmallIntegerField(db_index=True)),
                ("note", models.CharField(max_length=20, null=True)),
                ("label", models.SlugField(default="some-label")),
                ("text", models.TextField(db_index=True, default="50% of it")),
                ("switch", models.BooleanField(default=True)),
                ("price", models.DecimalField(max_digits=8, decimal_places=2, default=1)),
                ("birth", models.CharField(max_length=63, default=schema_now)),
                ("kind", models.CharField(max_length=1, choices=[("a", "A"), ("b", "B")], default="a")),
                ("level", models.IntegerField(db_default=7)),
                ("comment", models.IntegerField(default=1, db_comment="What it was")),
                ("collated", models.CharField(max_length=10, default="x", db_collation="C")),
            ],
        ),
        migrations.CreateModel(
            "Named",
            [
                ("code", models.CharField(max_length=10, primary_key=True)),
                ("raw", models.BinaryField(default=b"\x00\xff%s")),
                ("data", models.JSONField(default=dict)),
                ("span", models.DurationField(null=True)),
                ("host", models.GenericIPAddressField(null=True)),
                ("ratio", models.FloatField(default=0.5)),
                ("day", models.DateField(default="2026-01-31")),
                ("file", models.FileField(default="", upload_to="files")),
            ],
            options={"db_table_comment": "Things with names, all of them", "ordering": ["code"]},
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

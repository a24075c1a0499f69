from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fields", "0002_add")]
    operations = [
        migrations.AlterField("thing", "name", models.CharField(max_length=90)),
        migrations.AlterField("thing", "name", models.TextField()),
        migrations.AlterField("thing", "amount", models.IntegerField(default=0, null=True)),
        migrations.AlterField("thing", "size", models.IntegerField()),
        migrations.AlterField("thing", "note", models.CharField(max_length=25, default="no 5% note")),
        migrations.AlterField(
            "thing", "label", models.CharField(max_length=50, default="none", unique=False)
        ),
        migrations.AlterField("thing", "text", models.TextField()),
        migrations.AlterField("thing", "switch", models.BooleanField(null=True)),
        migrations.AlterField("thing", "price", models.CharField(max_length=20)),
        migrations.AlterField(
            "thing", "kind", models.CharField(max_length=1, choices=[("c", "C")], default="c")
        ),
        migrations.AlterField("thing", "level", models.IntegerField(db_default=8)),
        migrations.AlterField("thing", "ready", models.IntegerField()),
        migrations.AlterField("thing", "plain", models.IntegerField(default=4, db_default=9)),
        migrations.AlterField("thing", "comment", models.IntegerField(default=1, db_comment="What it is")),
        migrations.AlterField("thing", "commented", models.TextField(default="")),
        migrations.AlterField("thing", "collated", models.CharField(max_length=10, db_collation="POSIX")),
        migrations.AlterField("thing", "sorted", models.CharField(max_length=9)),
        migrations.AlterField("thing", "indexed", models.CharField(max_length=20)),
        migrations.AlterField("thing", "indexed_number", models.BigIntegerField(null=True, unique=True)),
        migrations.AlterField(
            "thing", "unique_null", models.CharField(max_length=20, db_index=True, null=True)
        ),
        migrations.AlterField("thing", "positive", models.IntegerField(default=2)),
        migrations.AlterField("thing", "plain", models.PositiveIntegerField(default=4, db_default=9)),
        migrations.AlterField("thing", "column", models.IntegerField(db_column="Other Column", default=0)),
        migrations.AlterField("thing", "nullable", models.IntegerField(default=77)),
        migrations.AlterField(
            "thing", "code", models.CharField(max_length=50, unique=True, verbose_name="the code")
        ),
        migrations.AlterField("named", "ratio", models.IntegerField()),
        migrations.AlterField("named", "data", models.TextField(default="{}")),
    ]

from django.conf import settings
from django.db import migrations, models
from django.db.models.deletion import CASCADE, DO_NOTHING, PROTECT, SET_NULL


def first_parent():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM relations_parent")
        return cursor.fetchone()[0]


class Migration(migrations.Migration):
    dependencies = [("relations", "0001_initial")]
    operations = [
        migrations.AddField(
            "child", "user", models.ForeignKey(settings.AUTH_USER_MODEL, SET_NULL, null=True)
        ),
        migrations.AddField(
            "child",
            "step",
            models.ForeignKey("relations.Parent", CASCADE, related_name="steps", default=first_parent),
        ),
        migrations.AddField("parent", "above", models.ForeignKey("self", CASCADE, null=True)),
        migrations.AddField("parent", "friends", models.ManyToManyField("self", blank=True)),
        migrations.AddField(
            "child", "tags", models.ManyToManyField("relations.Tag", related_name="children")
        ),
        migrations.AddField(
            "child", "watchers", models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
        ),
        migrations.AddField(
            "child", "only", models.OneToOneField("relations.Tag", PROTECT, null=True, related_name="+")
        ),
        migrations.AddField(
            "tag",
            "user",
            models.OneToOneField(settings.AUTH_USER_MODEL, SET_NULL, null=True, related_name="+"),
        ),
        migrations.AddField(
            "tag",
            "parent_name",
            models.ForeignKey("relations.Parent", CASCADE, to_field="name", null=True, related_name="+"),
        ),
        migrations.AddField(
            "tag",
            "loose",
            models.ForeignKey(
                "relations.Parent", DO_NOTHING, db_constraint=False, null=True, related_name="+"
            ),
        ),
        migrations.AddField(
            "tag",
            "bare",
            models.ForeignKey(
                "relations.Parent", CASCADE, db_index=False, null=True, related_name="+", db_column="bare"
            ),
        ),
    ]

from django.conf import settings
from django.db import migrations, models
from django.db.models.deletion import CASCADE, PROTECT, SET_NULL


def connect(apps, schema_editor):
    child = apps.get_model("relations", "Child")
    tag = apps.get_model("relations", "Tag").objects.order_by("id").first()
    for one in child.objects.select_related("parent"):
        one.tags.add(tag)
        one.parent.friends.add(one.step)


class Migration(migrations.Migration):
    dependencies = [("relations", "0002_add")]
    operations = [
        migrations.RunPython(connect),
        migrations.AlterField(
            "child",
            "number",
            models.ForeignKey("relations.Parent", CASCADE, related_name="+", db_column="number"),
        ),
        migrations.AlterField(
            "child", "reference", models.ForeignKey("relations.Parent", CASCADE, related_name="+")
        ),
        migrations.AlterField("child", "step", models.IntegerField(default=0, db_column="step_id")),
        migrations.AlterField(
            "child", "only", models.ForeignKey("relations.Tag", PROTECT, null=True, related_name="+")
        ),
        migrations.AlterField(
            "child", "parent", models.ForeignKey("relations.Parent", PROTECT, related_name="offspring")
        ),
        migrations.AlterField(
            "tag", "loose", models.ForeignKey("relations.Parent", CASCADE, null=True, related_name="+")
        ),
        migrations.AlterField(
            "tag", "bare", models.OneToOneField("relations.Parent", CASCADE, null=True, related_name="+")
        ),
        migrations.AlterField(
            "tag",
            "user",
            models.ForeignKey(
                settings.AUTH_USER_MODEL, SET_NULL, null=True, related_name="+", db_constraint=False
            ),
        ),
        migrations.AlterField("tag", "fans", models.ManyToManyField("relations.Child", related_name="+")),
        migrations.AlterField(
            "tag", "parents", models.ManyToManyField("relations.Parent", db_table="relations_joined")
        ),
    ]

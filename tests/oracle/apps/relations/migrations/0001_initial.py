import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def fill(apps, schema_editor):
    schema = schema_editor.connection.schema_name
    parent, child, tag = (apps.get_model("relations", name) for name in ("Parent", "Child", "Tag"))
    user = apps.get_model("users", "User").objects.order_by("pk").first()
    for number in range(len(schema) % 4 + 2):
        one = parent.objects.create(name=f"{schema}{number}", owner=user)
        child.objects.create(parent=one, number=one.pk, reference=one)
        tag.objects.create(word=f"word{number}").parents.add(one)


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            "Parent",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=70, unique=True)),
                (
                    "owner",
                    models.ForeignKey(settings.AUTH_USER_MODEL, django.db.models.deletion.PROTECT, null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            "Child",
            [
                ("id", models.AutoField(primary_key=True)),
                ("parent", models.ForeignKey("relations.Parent", django.db.models.deletion.CASCADE)),
                ("number", models.IntegerField()),
                (
                    "reference",
                    models.ForeignKey(
                        "relations.Parent",
                        django.db.models.deletion.CASCADE,
                        related_name="+",
                        db_constraint=False,
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "Tag",
            [
                ("id", models.AutoField(primary_key=True)),
                ("word", models.SlugField()),
                ("parents", models.ManyToManyField("relations.Parent", related_name="tags")),
                ("fans", models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")),
            ],
        ),
        migrations.RunPython(fill),
    ]

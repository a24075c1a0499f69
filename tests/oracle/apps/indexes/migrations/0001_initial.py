from django.db import migrations, models


def fill(apps, schema_editor):
    entry = apps.get_model("indexes", "Entry")
    entry.objects.bulk_create(entry(name=f"n{n}", a=n, b=n * 2, c=-n) for n in range(5))


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Entry",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("a", models.IntegerField()),
                ("b", models.IntegerField()),
                ("c", models.IntegerField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["a", "-b"], name="entry_a_b")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(a__gte=0), name="entry_a_positive")
                ],
                "index_together": {("b", "c")},
            },
        ),
        migrations.RunPython(fill),
    ]

from django.db import migrations, models


def fill(apps, schema_editor):
    reference = apps.get_model("outside", "Reference").objects.create(name="lift")
    apps.get_model("pointing", "Note").objects.create(reference=reference)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(
            "CREATE TABLE outside_reference (id bigserial PRIMARY KEY, name varchar(20) NOT NULL)"
        ),
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("reference", models.ForeignKey("outside.Reference", models.CASCADE)),
            ],
        ),
        migrations.RunPython(fill),
    ]

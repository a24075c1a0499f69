from django.db import migrations, models
from django.db.models.deletion import CASCADE

import inheritance.bases


def fill(apps, schema_editor):
    horse = apps.get_model("inheritance", "Horse")
    for number in range(3):
        horse.objects.create(name=f"{schema_editor.connection.schema_name} {number}", speed=number)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Animal",
            [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=90))],
            bases=(inheritance.bases.Speaking, models.Model),
        ),
        migrations.CreateModel(
            "Horse",
            [
                (
                    "animal_ptr",
                    models.OneToOneField(
                        "inheritance.Animal", CASCADE, auto_created=True, parent_link=True, primary_key=True
                    ),
                ),
                ("speed", models.IntegerField()),
            ],
            bases=("inheritance.animal",),
        ),
        migrations.CreateModel("Racer", [], options={"proxy": True}, bases=("inheritance.horse",)),
        migrations.RunPython(fill),
    ]

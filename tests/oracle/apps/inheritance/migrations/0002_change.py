from django.db import migrations, models
from django.db.models.deletion import CASCADE


def grow(apps, schema_editor):
    pony, horse = apps.get_model("inheritance", "Pony"), apps.get_model("inheritance", "Horse")
    pony.objects.create(name="small", speed=1, size=horse.objects.count())
    animal = apps.get_model("inheritance", "Animal")
    animal.objects.filter(horse__speed__gt=0).update(age=models.F("age") + 1)
    for one in apps.get_model("inheritance", "Racer").objects.order_by("pk"):
        one.name = f"{one.speak()} of {one.name}"
        one.save()


class Migration(migrations.Migration):
    dependencies = [("inheritance", "0001_initial")]
    operations = [
        migrations.AddField("animal", "age", models.IntegerField(default=1)),
        migrations.CreateModel(
            "Pony",
            [
                (
                    "horse_ptr",
                    models.OneToOneField(
                        "inheritance.Horse", CASCADE, auto_created=True, parent_link=True, primary_key=True
                    ),
                ),
                ("size", models.IntegerField()),
            ],
            bases=("inheritance.horse",),
        ),
        migrations.AlterField("animal", "name", models.CharField(max_length=200, db_index=True)),
        migrations.RunPython(grow),
        migrations.RenameField("horse", "speed", "pace"),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "First",
            [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=99))],
            options={"permissions": [("wave_first", "Can wave")]},
        ),
        migrations.CreateModel("Constant", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel("Doomed", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel(
            "Named",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("first", models.ManyToManyField("renames.First")),
            ],
            options={"verbose_name": "a name"},
        ),
    ]

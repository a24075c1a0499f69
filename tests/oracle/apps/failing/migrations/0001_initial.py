from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Owner", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel(
            "Thing",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=99)),
                ("owner", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.RunSQL("INSERT INTO failing_thing (name) VALUES ('one'), ('two')"),
    ]

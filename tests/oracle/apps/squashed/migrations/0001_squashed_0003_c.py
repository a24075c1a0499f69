from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    replaces = [("squashed", "0001_initial"), ("squashed", "0002_b"), ("squashed", "0003_c")]
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Box",
            [
                ("id", models.AutoField(primary_key=True)),
                ("a", models.IntegerField(default=1)),
                ("b", models.IntegerField(default=2, db_index=True)),
                ("c", models.IntegerField(null=True)),
            ],
        ),
        migrations.RunSQL("INSERT INTO squashed_box (a, b, c) VALUES (1, 2, 3), (2, 2, 4)"),
    ]

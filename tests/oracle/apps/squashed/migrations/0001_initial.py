from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Box", [("id", models.AutoField(primary_key=True)), ("a", models.IntegerField(default=1))]
        ),
        migrations.RunSQL("INSERT INTO squashed_box (a) VALUES (1), (2)"),
    ]

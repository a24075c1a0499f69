from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Seen", [("id", models.BigAutoField(primary_key=True)), ("what", models.JSONField())]
        ),
    ]

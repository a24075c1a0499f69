from django.conf import settings
from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        # Swapped out by the settings, so without a table; the other one takes its place.
        migrations.CreateModel(
            "Original",
            [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
            options={"swappable": "SWAPPING_MODEL"},
        ),
        migrations.CreateModel(
            "Kept",
            [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=9))],
            options={"swappable": "SWAPPING_KEPT_MODEL"},
        ),
        migrations.CreateModel(
            "Replacement",
            [("id", models.BigAutoField(primary_key=True)), ("title", models.CharField(max_length=9))],
        ),
        migrations.CreateModel(
            "User",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("model", models.ForeignKey(settings.SWAPPING_MODEL, CASCADE)),
                ("kept", models.ForeignKey(settings.SWAPPING_KEPT_MODEL, CASCADE, null=True)),
            ],
        ),
    ]

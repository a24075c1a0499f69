from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("announcements", "0001_initial"),
        ("buildings", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            "announcement",
            "audience",
            models.ManyToManyField(blank=True, related_name="announcements", to="buildings.building"),
        ),
    ]

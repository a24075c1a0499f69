from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("announcements", "0002_announcement_audience")]

    operations = [
        migrations.AddField("announcement", "pinned", models.BooleanField(default=False)),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("buildings", "0004_membership_index")]

    operations = [
        migrations.AddField(
            "building",
            "slug",
            models.SlugField(blank=True, default="", max_length=120),
            preserve_default=False,
        ),
    ]

from django.conf import settings
from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [("swapping", "0001_initial"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.AddField(
            "user", "others", models.ManyToManyField(settings.SWAPPING_MODEL, related_name="+")
        ),
        migrations.AddField("original", "size", models.IntegerField(default=1)),
        migrations.AddField(
            "user", "account", models.ForeignKey(settings.AUTH_USER_MODEL, CASCADE, null=True)
        ),
    ]

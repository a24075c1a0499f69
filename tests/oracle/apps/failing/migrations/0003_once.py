from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("failing", "0002_raise")]
    operations = [
        migrations.AddField(
            "thing", "once", models.CharField(default="once", max_length=9), preserve_default=False
        ),
        migrations.AlterField(
            "thing", "name", models.CharField(default="none", max_length=90), preserve_default=False
        ),
    ]

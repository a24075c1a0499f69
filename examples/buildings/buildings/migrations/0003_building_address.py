from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("buildings", "0002_buildingmembership")]

    operations = [
        migrations.AddField(
            "building",
            "address",
            models.CharField(blank=True, max_length=200, default=""),
            preserve_default=False,
        ),
        migrations.AlterField("building", "name", models.CharField(max_length=120)),
    ]

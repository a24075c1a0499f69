"""The target goes first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chains", "0004_rename")]
    operations = [
        migrations.DeleteModel("End"),
        migrations.AddField("loose", "number", models.IntegerField(default=1)),
        migrations.DeleteModel("Loose"),
    ]

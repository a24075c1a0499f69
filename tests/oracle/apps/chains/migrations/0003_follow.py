"""What points to it, or to what points to it, has to know."""

from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [("chains", "0002_change")]
    operations = [
        migrations.CreateModel(
            "Friend",
            [
                ("id", models.AutoField(primary_key=True)),
                ("heir", models.ForeignKey("chains.Heir", CASCADE)),
                ("heirs", models.ManyToManyField("chains.Heir", related_name="+")),
            ],
        ),
        migrations.AlterField("link", "base", models.IntegerField()),
        migrations.AddField("loose", "other", models.ForeignKey("chains.End", CASCADE, null=True)),
        migrations.AlterField("loose", "end", models.OneToOneField("chains.End", CASCADE)),
    ]

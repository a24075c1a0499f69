"""What others point to changes; and then it changes once more, in a way that is nobody else's business."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chains", "0001_initial")]
    operations = [
        migrations.AlterField("base", "id", models.BigAutoField(primary_key=True)),
        migrations.AddField("base", "number", models.IntegerField(default=1)),
        migrations.AlterModelTable("end", "the_end"),
        migrations.AddField("end", "number", models.IntegerField(default=1)),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("squashed", "0003_c")]
    operations = [
        migrations.AddField("box", "d", models.CharField(max_length=5, default="d")),
        migrations.AddField("box", "boxes", models.ManyToManyField("squashed.Box")),
    ]

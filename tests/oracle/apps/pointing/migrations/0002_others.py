from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pointing", "0001_initial")]
    operations = [
        migrations.AddField("Note", "others", models.ManyToManyField("outside.Reference", related_name="+")),
    ]

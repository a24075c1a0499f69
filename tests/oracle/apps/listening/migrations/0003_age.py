from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("listening", "0002_write")]
    operations = [migrations.AddField("Author", "age", models.IntegerField(default=1))]

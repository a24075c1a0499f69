from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("squashed", "0001_initial")]
    operations = [migrations.AddField("box", "b", models.IntegerField(default=2, db_index=True))]

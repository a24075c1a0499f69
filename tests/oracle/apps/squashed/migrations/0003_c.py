from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("squashed", "0002_b")]
    operations = [
        migrations.AddField("box", "c", models.IntegerField(null=True)),
        migrations.RunSQL("UPDATE squashed_box SET c = a + b"),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("queries", "0004_separate")]
    operations = [
        migrations.AddField("note", "papers", models.ManyToManyField("queries.Paper", related_name="+")),
    ]

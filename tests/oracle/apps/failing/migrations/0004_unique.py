from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("failing", "0003_once")]
    operations = [
        migrations.AddField("thing", "number", models.IntegerField(null=True)),
        migrations.AddConstraint(
            "thing", models.UniqueConstraint(fields=["owner", "once"], name="failing_unique")
        ),
        migrations.CreateModel("Late", [("id", models.BigAutoField(primary_key=True))]),
    ]

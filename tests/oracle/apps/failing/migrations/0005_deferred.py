from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("failing", "0004_unique")]
    operations = [
        migrations.AddField("thing", "late", models.BooleanField(default=False, db_index=True)),
        migrations.AlterField(
            "thing", "owner", models.ForeignKey("failing.Owner", models.CASCADE, null=True, db_column="owner")
        ),
    ]

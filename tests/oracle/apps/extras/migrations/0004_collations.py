from django.contrib.postgres.operations import CreateCollation, RemoveCollation
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("extras", "0003_concurrently")]
    operations = [
        CreateCollation("plain", locale="C"),
        CreateCollation("doomed", locale="POSIX"),
        migrations.AlterField("room", "name", models.CharField(max_length=50, db_collation="plain")),
        migrations.AddField(
            "room", "other", models.CharField(max_length=5, default="", db_collation="doomed")
        ),
        migrations.AlterField("room", "other", models.CharField(max_length=5, default="")),
        RemoveCollation("doomed", locale="POSIX"),
    ]

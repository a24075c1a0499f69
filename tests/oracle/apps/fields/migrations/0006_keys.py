from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fields", "0005_rows")]
    operations = [
        migrations.AlterField("thing", "id", models.BigAutoField(primary_key=True)),
        migrations.AddField("thing", "serial", models.IntegerField(null=True)),
        # Another primary key, as the documentation has it: the old one goes, a field takes its place.
        migrations.RemoveField("named", "code"),
        migrations.AddField(
            "named", "id", models.SmallAutoField(primary_key=True, default=None), preserve_default=False
        ),
        migrations.AlterField("named", "id", models.AutoField(primary_key=True)),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fields", "0003_alter")]
    operations = [
        migrations.RenameField("thing", "code", "sign"),
        migrations.RenameField("thing", "unique_null", "maybe"),
        migrations.RenameField("named", "host", "address"),
        migrations.RenameField("thing", "column", "place"),
        migrations.RemoveField("thing", "size"),
        migrations.RemoveField("thing", "doubled"),
        migrations.RemoveField("thing", "once"),
        migrations.RemoveField("thing", "commented"),
        migrations.RemoveField("named", "loud"),
        migrations.AlterField("named", "code", models.CharField(max_length=30, primary_key=True)),
        # The same name again, of another kind: states before and after must not be mixed up.
        migrations.AddField("thing", "size", models.CharField(max_length=5, default="XL")),
        migrations.AddField("thing", "code", models.CharField(max_length=5, default="old")),
    ]

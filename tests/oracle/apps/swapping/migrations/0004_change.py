from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("swapping", "0003_rows")]
    operations = [
        migrations.AlterField("original", "name", models.CharField(max_length=30, db_index=True)),
        migrations.AlterField("replacement", "title", models.CharField(max_length=30, db_index=True)),
        migrations.AlterField("kept", "name", models.CharField(max_length=30)),
        migrations.RemoveField("original", "size"),
        migrations.AddIndex("original", models.Index(fields=["name"], name="original_name")),
        migrations.RemoveField("user", "others"),
    ]

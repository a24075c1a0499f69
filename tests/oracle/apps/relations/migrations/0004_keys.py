from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("relations", "0003_alter")]
    operations = [
        migrations.AlterField("parent", "id", models.BigAutoField(primary_key=True)),
        migrations.AlterField("parent", "name", models.CharField(max_length=90, unique=True)),
        migrations.RenameField("parent", "id", "number"),
        migrations.RenameModel("Parent", "Elder"),
        migrations.RenameField("child", "user", "account"),
        migrations.AlterField("tag", "id", models.BigAutoField(primary_key=True)),
    ]

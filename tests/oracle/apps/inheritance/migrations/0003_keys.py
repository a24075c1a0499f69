from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inheritance", "0002_change")]
    operations = [
        migrations.AlterField("animal", "id", models.BigAutoField(primary_key=True)),
        migrations.RenameModel("Racer", "Runner"),
        migrations.AddField(
            "pony",
            "rider",
            models.ForeignKey("inheritance.Runner", models.SET_NULL, null=True, related_name="+"),
        ),
        migrations.AlterModelOptions("runner", {"permissions": [("bet", "Can bet")]}),
    ]

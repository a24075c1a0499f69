from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chains", "0003_follow")]
    operations = [
        migrations.RenameField("base", "number", "amount"),
        migrations.AlterField("base", "code", models.CharField(max_length=20, unique=True)),
        migrations.AddField("base", "last", models.IntegerField(default=1)),
        migrations.CreateModel(
            "Foe",
            [
                ("id", models.AutoField(primary_key=True)),
                ("friend", models.ForeignKey("chains.Friend", models.CASCADE)),
                ("heir", models.OneToOneField("chains.Heir", models.CASCADE)),
            ],
        ),
        migrations.RenameModel("Friend", "Mate"),
        migrations.AddField("mate", "number", models.IntegerField(default=1)),
        migrations.CreateModel(
            "Stranger",
            [
                ("id", models.AutoField(primary_key=True)),
                ("foe", models.ForeignKey("chains.Foe", models.CASCADE)),
                ("mate", models.ForeignKey("chains.Mate", models.CASCADE)),
            ],
        ),
    ]

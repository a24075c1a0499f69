from django.db import migrations, models
from django.db.models.deletion import CASCADE

import chains.bases


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Early",
            [
                ("id", models.AutoField(primary_key=True)),
                ("late", models.ForeignKey("chains.Late", CASCADE)),
            ],
            options={"managed": False},
        ),
        migrations.CreateModel(
            "Base",
            [
                ("id", models.AutoField(primary_key=True)),
                ("code", models.CharField(max_length=9, unique=True)),
            ],
        ),
        migrations.CreateModel(
            "Heir",
            [("base_ptr", models.OneToOneField("chains.Base", CASCADE, parent_link=True, primary_key=True))],
            bases=("chains.base",),
        ),
        migrations.CreateModel(
            "Link",
            [
                ("id", models.AutoField(primary_key=True)),
                ("base", models.ForeignKey("chains.Base", CASCADE)),
                ("coded", models.ForeignKey("chains.Base", CASCADE, to_field="code", related_name="+")),
            ],
        ),
        migrations.CreateModel(
            "Owned", [("id", models.AutoField(primary_key=True))], bases=(chains.bases.Owned,)
        ),
        migrations.CreateModel("Late", [("id", models.AutoField(primary_key=True))]),
        migrations.CreateModel("End", [("id", models.AutoField(primary_key=True))]),
        migrations.CreateModel(
            "Loose",
            [
                ("id", models.AutoField(primary_key=True)),
                ("end", models.ForeignKey("chains.End", CASCADE)),
                ("ends", models.ManyToManyField("chains.End", related_name="+")),
            ],
        ),
    ]

from django.contrib.postgres.fields import ArrayField, DateRangeField, HStoreField, IntegerRangeField
from django.contrib.postgres.search import SearchVectorField
from django.db import migrations, models


def fill(apps, schema_editor):
    room = apps.get_model("extras", "Room")
    room.objects.bulk_create(
        room(
            name=f"room {n}",
            tags=["a", "50%"],
            facts={"of": schema_editor.connection.schema_name},
            span=(n, n + 1),
        )
        for n in range(3)
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = [("extensions", "0002_more")]
    operations = [
        migrations.CreateModel(
            "Room",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("tags", ArrayField(models.CharField(max_length=10), default=list)),
                ("facts", HStoreField(default=dict)),
                ("span", IntegerRangeField(null=True)),
                ("days", DateRangeField(null=True)),
                ("search", SearchVectorField(null=True)),
                ("number", models.IntegerField(default=1)),
            ],
        ),
        migrations.RunPython(fill),
    ]

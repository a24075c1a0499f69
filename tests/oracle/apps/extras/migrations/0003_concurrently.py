from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("extras", "0002_indexes")]
    operations = [
        AddIndexConcurrently("room", models.Index(fields=["number", "name"], name="room_slow")),
        AddIndexConcurrently(
            "room", models.Index(fields=["name"], name="room_some", condition=models.Q(name__contains="5%"))
        ),
        RemoveIndexConcurrently("room", "room_hash"),
        migrations.AddField("room", "slow", models.IntegerField(default=1, db_index=True)),
    ]

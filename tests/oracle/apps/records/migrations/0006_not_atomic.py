from django.db import connection, migrations, models, transaction


def in_pieces(apps, schema_editor):
    note = apps.get_model("records", "Note")
    for start in range(2):
        with transaction.atomic():
            note.counted.numbered(f"piece {start}")
    note.counted.numbered(
        f"in a block: {connection.in_atomic_block}, editor: {schema_editor.atomic_migration}"
    )
    for one in note.counted.order_by("pk").iterator(chunk_size=2):
        one.number += 1
        one.save()


def at_once(apps, schema_editor):
    apps.get_model("records", "Note").counted.numbered(f"at once: {connection.in_atomic_block}")
    transaction.on_commit(lambda: apps.get_model("records", "Note").counted.numbered("committed"))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("records", "0005_permissions")]
    operations = [
        migrations.RunPython(in_pieces),
        migrations.RunPython(at_once, atomic=True),
        migrations.AddField(
            "note", "late", models.ForeignKey("records.Shelf", models.SET_NULL, null=True, related_name="+")
        ),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY records_late ON records_note (text, number)"),
    ]

from django.db import migrations


def look(apps, schema_editor):
    """Writes down what it finds, from the classes themselves to what is deleted with a row."""
    author, note, reply = (apps.get_model("listening", name) for name in ("Author", "Note", "Reply"))
    field = note._meta.get_field("written")
    found = [field.auto_now_add, note._meta.ordering, hasattr(note, "shout"), "save" in vars(note)]
    one = author.objects.order_by("pk").last() or author.objects.create(name="nobody")
    one.note_set.create(text=f"{found} {author._meta.apps.get_model('listening', 'Note') is note}")
    gone = author.objects.create(name="gone")
    reply.objects.create(note=gone.note_set.create(text="gone")).readers.add(one, gone)
    assert one.reply_set.count() == 1
    for label, number in sorted(gone.delete()[1].items()):
        note.objects.create(author=one, text=f"{label} {number}")
    note.objects.update(written="2026-01-03")


class Migration(migrations.Migration):
    dependencies = [("listening", "0005_reply")]
    operations = [migrations.RunPython(look, migrations.RunPython.noop)]

from django.db import migrations
from django.db.models import Count, F


def write(apps, schema_editor):
    alias, schema = schema_editor.connection.alias, schema_editor.connection.schema_name
    shelf, note = apps.get_model("records", "Shelf"), apps.get_model("records", "Note")
    shelves = shelf.objects.using(alias).bulk_create(shelf(name=f"{schema} {n}") for n in range(3))
    for number, one in enumerate(shelves):
        note.counted.create(shelf=one, text=f"{schema} 5%", number=number)
    shelf.objects.get_or_create(name="extra")
    shelf.objects.update_or_create(name="extra", defaults={"name": f"extra of {schema}"})
    note.counted.filter(number__gt=0).update(number=F("number") * 10)
    shelf.objects.get(name=f"{schema} 1").delete()


def read(apps, schema_editor):
    shelf, note = apps.get_model("records", "Shelf"), apps.get_model("records", "Note")
    for one in shelf.objects.annotate(notes=Count("note")).order_by("pk").iterator(chunk_size=1):
        note.counted.numbered(f"{one.name} has {one.notes}")
    for one in (
        note.counted.select_related("shelf").prefetch_related("shelf__note_set").iterator(chunk_size=2)
    ):
        one.text += f" / {one.shelf.note_set.count() if one.shelf else None}"
        one.save(update_fields=["text"])


class Migration(migrations.Migration):
    dependencies = [("records", "0001_initial")]
    operations = [
        migrations.RunPython(write, migrations.RunPython.noop),
        migrations.RunPython(read, hints={"model_name": "note"}, atomic=True),
        migrations.RunPython(migrations.RunPython.noop),
    ]

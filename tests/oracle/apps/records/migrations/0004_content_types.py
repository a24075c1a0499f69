from django.contrib.contenttypes.models import ContentType
from django.db import migrations


def historical(apps, schema_editor):
    types, note, shelf = (
        apps.get_model("contenttypes", "ContentType"),
        apps.get_model("records", "Note"),
        apps.get_model("records", "Shelf"),
    )
    about = types.objects.get_for_model(note)
    note.counted.create(text="about notes", about=about, number=about.pk)
    for model, about in types.objects.get_for_models(note, shelf).items():
        note.counted.create(text=f"about {model.__name__}", about=about, number=about.pk)
    about = types.objects.get_by_natural_key("records", "shelf")
    note.counted.create(text=f"the same: {types.objects.get_for_id(about.pk).model}", about=about)


def of_today(apps, schema_editor):
    note = apps.get_model("records", "Note")
    about = ContentType.objects.get_for_model(note)
    note.counted.create(text="about notes today", about_id=about.pk, number=about.pk)
    about = ContentType.objects.get_by_natural_key("records", "shelf")
    note.counted.create(text="about shelves today", about_id=about.pk, number=about.pk)


class Migration(migrations.Migration):
    dependencies = [("records", "0003_cursors")]
    operations = [migrations.RunPython(historical), migrations.RunPython(of_today)]

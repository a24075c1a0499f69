from django.db import migrations


def change(apps, schema_editor):
    """Leaves its mark on the classes."""
    author, note = (apps.get_model("listening", name) for name in ("Author", "Note"))
    note._meta.get_field("written").auto_now_add = False
    note._meta.ordering = ["-id"]
    note.add_to_class("shout", lambda self: self.text.upper())
    note.save = lambda self, **more: super(note, self).save(**more)
    one = author.objects.create(name="second", age=2)
    note.objects.create(author=one, text="second", written="2026-01-02")


class Migration(migrations.Migration):
    dependencies = [("listening", "0003_age")]
    operations = [migrations.RunPython(change, migrations.RunPython.noop)]

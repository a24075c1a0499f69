from django.db import migrations, models

from tables.managers import Loud


def shout(apps, schema_editor):
    book = apps.get_model("tables", "Book")
    book.objects.create(title=book.loud.shout(), shelf=2, row=2)


class Migration(migrations.Migration):
    dependencies = [("tables", "0001_initial")]
    operations = [
        migrations.AlterModelTable("book", "the_books"),
        migrations.AlterModelTableComment("book", "Books, it's all of them"),
        migrations.AlterModelManagers("book", [("objects", models.Manager()), ("loud", Loud())]),
        migrations.AlterModelOptions(
            "page",
            {"permissions": [("tear_page", "Can tear"), ("fold_page", "Can fold")], "verbose_name": "leaf"},
        ),
        migrations.AlterUniqueTogether("page", {("book", "number")}),
        migrations.AlterIndexTogether("book", {("shelf", "title"), ("row", "shelf")}),
        migrations.AlterOrderWithRespectTo("page", "book"),
        migrations.RunPython(shout),
    ]

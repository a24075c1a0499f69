from django.db import migrations, models
from django.db.models.deletion import CASCADE


def fill(apps, schema_editor):
    book, page = apps.get_model("tables", "Book"), apps.get_model("tables", "Page")
    one = book.objects.create(title=schema_editor.connection.schema_name, shelf=1, row=1)
    page.objects.bulk_create(page(book=one, number=number) for number in range(3))


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Book",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("title", models.CharField(max_length=99)),
                ("shelf", models.IntegerField()),
                ("row", models.IntegerField()),
            ],
            options={
                "verbose_name": "100% book",
                "permissions": [("burn_book", "Can burn it's book")],
                "default_permissions": ("add", "view"),
                "unique_together": {("shelf", "row")},
            },
        ),
        migrations.CreateModel(
            "Page",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("book", models.ForeignKey("tables.Book", CASCADE)),
                ("number", models.IntegerField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel("Passing", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel(
            "Foreign", [("id", models.BigAutoField(primary_key=True))], options={"managed": False}
        ),
        migrations.CreateModel(
            "Classic",
            [],
            options={"proxy": True, "permissions": [("praise_classic", "Can praise")]},
            bases=("tables.book",),
        ),
        migrations.RunPython(fill),
    ]

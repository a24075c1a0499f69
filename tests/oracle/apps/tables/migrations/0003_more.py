from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [("tables", "0002_options")]
    operations = [
        migrations.AlterModelTableComment("book", None),
        migrations.AlterUniqueTogether("page", set()),
        migrations.AlterUniqueTogether("book", {("shelf", "row", "title")}),
        migrations.AlterIndexTogether("book", {("shelf", "row")}),
        migrations.AddIndex("book", models.Index(fields=["title"], name="books_by_title")),
        migrations.DeleteModel("Passing"),
        migrations.RenameModel("Page", "Sheet"),
        migrations.CreateModel(
            "Page",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("sheet", models.ForeignKey("tables.Sheet", CASCADE)),
                ("books", models.ManyToManyField("tables.Book", related_name="+")),
            ],
        ),
        migrations.AlterModelOptions("foreign", {"managed": True}),
        migrations.AlterModelOptions("foreign", {"managed": False}),
        migrations.AlterModelOptions("book", {"default_permissions": ("add", "change", "sell")}),
    ]

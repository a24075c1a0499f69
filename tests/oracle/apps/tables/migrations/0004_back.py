from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tables", "0003_more")]
    operations = [
        migrations.AlterIndexTogether("book", set()),
        migrations.RenameIndex("book", new_name="books_by_row", old_name="books_by_title"),
        migrations.AlterOrderWithRespectTo("sheet", None),
        migrations.AlterModelTable("book", None),
        migrations.AlterModelTable("page", "Pages of all"),
        migrations.DeleteModel("Classic"),
        migrations.RenameModel("Book", "Volume"),
        migrations.AlterModelManagers("volume", []),
        migrations.CreateModel("Passing", [("key", models.CharField(max_length=5, primary_key=True))]),
        migrations.DeleteModel("Foreign"),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("indexes", "0003_change")]
    operations = [
        migrations.RemoveIndex("item", "entry_lower"),
        migrations.RemoveIndex("item", "entry_percent"),
        migrations.RemoveConstraint("item", "entry_nulls"),
        migrations.RemoveConstraint("item", "entry_unique_upper"),
        migrations.RemoveConstraint("item", "entry_unique_covering"),
        migrations.RemoveIndex("item", "entry_c"),
        migrations.RemoveIndex("item", "entry_b_c"),
        migrations.RemoveField("item", "c"),
        migrations.AddIndex("item", models.Index(fields=["a", "b"], name="item_again")),
        migrations.RemoveField("item", "b"),
    ]

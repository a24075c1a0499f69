from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inheritance", "0004_rows")]
    operations = [
        migrations.DeleteModel("Pony"),
        migrations.DeleteModel("Runner"),
        migrations.RemoveField("animal", "age"),
    ]

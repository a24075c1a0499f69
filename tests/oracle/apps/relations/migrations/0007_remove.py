from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("relations", "0006_rows")]
    operations = [
        migrations.RemoveField("child", "account"),
        migrations.RemoveField("child", "watchers"),
        migrations.RemoveField("elder", "friends"),
        migrations.RemoveField("elder", "above"),
        migrations.RemoveField("elder", "adopted"),
        migrations.DeleteModel("Joining"),
        migrations.RemoveField("child", "tags"),
        migrations.RemoveField("child", "only"),
        migrations.DeleteModel("Tag"),
    ]

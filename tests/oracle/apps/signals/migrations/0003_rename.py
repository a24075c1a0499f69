from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("signals", "0002_more")]
    operations = [migrations.RenameModel("Other", "Another")]

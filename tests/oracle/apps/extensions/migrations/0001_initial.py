from django.contrib.postgres import operations
from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        operations.BtreeGistExtension(),
        operations.BtreeGinExtension(),
        operations.TrigramExtension(),
    ]

from django.contrib.postgres import operations
from django.db import migrations

from extensions.operations import CryptoWhereAvailable


class Migration(migrations.Migration):
    dependencies = [("extensions", "0001_initial")]
    operations = [
        operations.CreateExtension("fuzzystrmatch"),
        operations.BloomExtension(),
        operations.CITextExtension(),
        CryptoWhereAvailable(),
        operations.HStoreExtension(),
        operations.UnaccentExtension(),
    ]

"""Delete a shared user twice: as Django does it, which fails, and in every schema at once."""

import os
import sys

import django
from django.contrib.auth import get_user_model
from django.db import ProgrammingError, transaction

from examples.past import PROJECT


def main() -> None:
    sys.path.insert(0, str(PROJECT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    delete("katerina")


def delete(username: str) -> None:
    # The models can be imported only now that Django is set up.
    from railway_release.django.deletion import delete_everywhere  # noqa: PLC0415

    user = get_user_model().objects.get(username=username)
    try:
        with transaction.atomic():
            user.delete()
    except ProgrammingError as error:
        print(f"  user.delete(): {str(error).splitlines()[0]}")
    deletion = delete_everywhere(user)
    print(f"  delete_everywhere(user): {deletion.total} rows in {len(deletion.schemas)} schemas")
    for schema, models in deletion.schemas.items():
        print(f"    {schema}: {', '.join(f'{number} {label}' for label, number in models.items())}")


if __name__ == "__main__":
    main()

"""collectstatic, as in the release line that this replaces."""

from __future__ import annotations

import time
from collections.abc import Collection

from django.apps import apps
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.utils import translation

from railway_release.runtime.log import get_logger
from railway_release.runtime.plain import plain_traceback
from railway_release.runtime.platform import Platform
from railway_release.runtime.waiting import told


def wanted(choice: str, schemas: Collection[str]) -> bool:
    """Whether to collect: "yes", "no", or "auto" when staticfiles has somewhere to put them.

    Who releases certain `schemas` alone has something else in mind than a deployment.
    """
    if choice != "auto":
        return choice == "yes"
    if schemas or not apps.is_installed("django.contrib.staticfiles"):
        return False
    return bool(getattr(settings, "STATIC_ROOT", None)) or not _is_local()


def collect(platform: Platform) -> str:
    """Run collectstatic; returns why it failed, or nothing."""
    started = time.monotonic()
    try:
        # Unlike `migrate`, this command runs in the project's language.
        with translation.override(settings.LANGUAGE_CODE), told("static files are being collected"):
            call_command("collectstatic", interactive=False, verbosity=1)
    except Exception as error:  # noqa: BLE001 - storages raise anything; the migrations are done all the same
        get_logger().error(
            "collectstatic.failed", message=f"collectstatic failed: {error}", traceback=plain_traceback(error)
        )
        return f"{type(error).__name__}: {error}"
    duration = round((time.monotonic() - started) * 1000)
    get_logger().info("collectstatic.finished", message="static files collected", duration_ms=duration)
    if platform.inside and _is_local():
        get_logger().info(
            "collectstatic.noted",
            message="static files were written to this container; the Pre-deploy Command's files are thrown "
            "away, so collect them when the image is built, or use a remote storage",
        )
    return ""


def _is_local() -> bool:
    # Needs the app to be installed, which not every project's is.
    from django.contrib.staticfiles.storage import staticfiles_storage  # noqa: PLC0415

    return isinstance(staticfiles_storage, FileSystemStorage)

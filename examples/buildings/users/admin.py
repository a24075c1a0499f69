from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from railway_release.django.deletion import TenantCascadeAdminMixin

from .models import User


@admin.register(User)
class SharedUserAdmin(TenantCascadeAdminMixin, UserAdmin):
    """Deletes a user together with the memberships in every tenant."""

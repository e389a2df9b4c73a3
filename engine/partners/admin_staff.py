"""Django's own pages for staff and their groups, in the admin's clothes."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import admin as django_admin
from django.contrib.auth.models import Group, User
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

# Importing Django's pages above registered them.
admin.site.unregister([User, Group])


@admin.register(User)
class StaffAdmin(django_admin.UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class StaffGroupAdmin(django_admin.GroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass

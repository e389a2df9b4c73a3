"""What each group of staff may do.

The groups are made by migration 0003; their permissions exist only after each app's
tables do, so they are given after every migration, and given again when an app brings new
tables. Permissions that an administrator adds to a group stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

if TYPE_CHECKING:
    from django.apps import AppConfig

VIEWER, OPERATOR, KEY_ADMIN = "viewer", "operator", "key admin"
# Ours, not Django's: sessions and password hashes are nobody's reading.
OUR_APPS = ("engine.", "connect", "disbursements", "payments", "tracking")
KEY_VERBS = (
    *("mint_apikey", "rotate_apikey", "revoke_apikey"),
    *("mint_signingkey", "revoke_signingkey"),
    *("mint_token", "revoke_token"),
)
OPERATOR_VERBS = (
    *("change_endpoint", "resend_message", "add_floatcredit", "expire_payment"),
    "give_up_batch",
    *("hand_over_bankfile", "add_bankstatement"),
    *("add_momoaccount", "change_momoaccount"),
)


def grant(*, sender: AppConfig, using: str, **_: Any) -> None:
    """Give our groups the permissions on `sender`'s tables (a post_migrate receiver)."""
    if not sender.name.startswith(OUR_APPS):
        return
    # Django makes them in a receiver of its own, which may run after this one.
    create_permissions(sender, verbosity=0, using=using)
    ours = Permission.objects.using(using).filter(content_type__app_label=sender.label)
    to_view = ours.filter(codename__startswith="view_")
    for group in Group.objects.using(using).filter(name__in=(VIEWER, OPERATOR, KEY_ADMIN)):
        group.permissions.add(*to_view)
        if group.name == KEY_ADMIN:
            group.permissions.add(*ours.filter(codename__in=KEY_VERBS))
        if group.name == OPERATOR:
            group.permissions.add(*ours.filter(codename__in=OPERATOR_VERBS))

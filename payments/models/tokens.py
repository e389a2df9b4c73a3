"""Tokens: how a partner's own server says that it may ask for payments."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import Exact

from engine.partners.models import DIGEST_BYTES, Partner
from engine.partners.validation import validate_network


class Token(models.Model):
    """A partner's token. It is found by its HMAC, and kept sealed as well, since webhooks
    are signed with its text.
    """

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="tokens")
    livemode = models.BooleanField("live")
    name = models.CharField(max_length=100, help_text="Where it will be used.")
    digest = models.BinaryField(max_length=DIGEST_BYTES, editable=False)
    sealed_text = models.BinaryField(editable=False)
    prefix_shown = models.CharField(max_length=12)
    last4 = models.CharField(max_length=4)
    may_pay_out = models.BooleanField(
        "Payout", default=False, help_text="Make and read payments of type payout."
    )
    may_fill_forms = models.BooleanField(
        "Payout form", default=False, help_text="Fill in the form of a payment by API."
    )
    cidrs = ArrayField(
        models.CharField(max_length=50, validators=[validate_network]),
        verbose_name="networks",
        default=list,
        blank=True,
    )
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    revoked_at = models.DateTimeField("revoked", null=True, blank=True)
    last_used_at = models.DateTimeField("last used", null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ("-id",)
        # Nobody adds, changes or deletes one as a row; these two verbs are all.
        default_permissions = ("view",)
        permissions = [
            ("mint_token", "Can mint tokens"),
            ("revoke_token", "Can revoke tokens"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="token_digest_is_unique"),
            models.CheckConstraint(
                condition=Exact(Length("digest"), DIGEST_BYTES),
                name="token_digest_is_32_bytes",
            ),
            models.CheckConstraint(
                condition=Q(livemode=True, prefix_shown="tk_live_")
                | Q(livemode=False, prefix_shown="tk_test_"),
                name="token_prefix_says_its_mode",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="token_has_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix_shown}…{self.last4}"

"""Who uses the house: partners, their API keys, their end users, the answers we owe them.

Keys change only in `engine.partners.services`, under a row lock.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import Exact
from django.utils import timezone

from engine.common.ids import new_id
from engine.common.units import format_usd
from engine.partners.validation import (
    HOST_LENGTH_MAX,
    validate_host,
    validate_network,
    visible_text,
)

BASIS_POINTS_MAX = 10_000
DIGEST_BYTES = 32


class FeeSchedule(models.Model):
    """What we charge: a fixed part in micro-dollars plus basis points of the amount."""

    name = models.CharField(max_length=60, unique=True)
    fixed_usd_micros = models.PositiveBigIntegerField(
        "fixed part, micro-dollars", help_text="1000000 is one dollar."
    )
    basis_points = models.PositiveIntegerField(
        help_text="Hundredths of a percent of the amount: 25 is 0.25 %."
    )
    as_of = models.DateTimeField(
        default=timezone.now, help_text="Since when these prices hold."
    )

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(basis_points__lte=BASIS_POINTS_MAX),
                name="fee_is_at_most_the_amount",
                violation_error_message="10000 basis points are all of the amount.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {format_usd(self.fixed_usd_micros)} USD + {self.basis_points} bp"


def _hosts(help_text: str) -> ArrayField:  # type: ignore[type-arg]
    host = models.CharField(max_length=HOST_LENGTH_MAX, validators=[validate_host])
    return ArrayField(host, default=list, blank=True, help_text=help_text)


class Partner(models.Model):
    """A company that pays people through us. `name` is what recipients read."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, help_text="Recipients read this name.")
    is_approved = models.BooleanField(
        "approved", default=False, help_text="Live keys answer 403 until then."
    )
    redirect_hosts = _hosts(
        "Where a recipient may be sent back to, one host name each: pay.example.com."
    )
    frame_hosts = _hosts("Which sites may show the tracking page inside theirs.")
    fee_schedule = models.ForeignKey(FeeSchedule, models.PROTECT, related_name="partners")
    contact_email = models.EmailField(
        blank=True, help_text="Who is told when webhooks are switched off."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.CheckConstraint(
                condition=~Q(name=""),
                name="partner_has_a_name",
                violation_error_message="The name has nothing in it to read.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.name = visible_text(self.name)
        if not self.name:
            raise ValidationError({"name": "The name has nothing in it to read."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Strip what cannot be seen from the name, whoever wrote it."""
        self.name = visible_text(self.name)
        super().save(*args, **kwargs)


class Scope(models.TextChoices):
    """What a key may do. Reading and moving money are kept apart."""

    PAYOUTS_WRITE = "payouts:write", "make quotes and payouts"
    PAYOUTS_READ = "payouts:read", "read payouts"
    ADDRESSES_WRITE = "addresses:write", "make deposit addresses"
    ADDRESSES_READ = "addresses:read", "read deposit addresses"
    BALANCES_READ = "balances:read", "read balances"
    TRANSACTIONS_READ = "transactions:read", "read deposits and payouts"
    WEBHOOKS_WRITE = "webhooks:write", "set up webhooks and send them again"
    WEBHOOKS_READ = "webhooks:read", "read webhook endpoints and events"


ALL_SCOPES: tuple[str, ...] = tuple(Scope.values)


def all_scopes() -> list[str]:
    """Return a fresh list: a default that every key could change would be one list."""
    return list(ALL_SCOPES)


class KeyState(models.TextChoices):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(models.Model):
    """A partner's key. Only its HMAC is kept: the secret is shown once, when minted."""

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="keys")
    livemode = models.BooleanField("live")
    name = models.CharField(max_length=100, help_text="Where it will be used.")
    digest = models.BinaryField(max_length=DIGEST_BYTES)
    prefix_shown = models.CharField(max_length=12)
    last4 = models.CharField(max_length=4)
    scopes = ArrayField(models.CharField(max_length=40, choices=Scope), default=all_scopes)
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
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    replaced_by = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="replaces"
    )

    class Meta:
        verbose_name = "API key"
        ordering = ("-id",)
        # Nobody adds, changes or deletes one as a row; these three verbs are all.
        default_permissions = ("view",)
        permissions = [
            ("mint_apikey", "Can mint API keys"),
            ("rotate_apikey", "Can rotate API keys"),
            ("revoke_apikey", "Can revoke API keys"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="key_digest_is_unique"),
            models.UniqueConstraint(fields=["replaced_by"], name="key_replaces_one"),
            models.CheckConstraint(
                condition=Exact(Length("digest"), DIGEST_BYTES),
                name="key_digest_is_32_bytes",
            ),
            models.CheckConstraint(
                condition=Q(livemode=True, prefix_shown="sk_live_")
                | Q(livemode=False, prefix_shown="sk_test_"),
                name="key_prefix_says_its_mode",
            ),
            models.CheckConstraint(
                condition=Q(scopes__contained_by=ALL_SCOPES) & ~Q(scopes=[]),
                name="key_scopes_are_known",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="key_has_a_name"),
            models.CheckConstraint(
                condition=~Q(replaced_by=F("id")), name="key_replaces_another"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix_shown}…{self.last4}"

    @property
    def state(self) -> KeyState:
        """What the key is at this moment, by this machine's clock."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return KeyState.EXPIRED
        return KeyState.ACTIVE


class EndUser(models.Model):
    """A partner's customer, known to us by the partner's own reference, mode by mode."""

    id = models.BigAutoField(primary_key=True)
    partner = models.ForeignKey(
        Partner, models.PROTECT, related_name="end_users", db_index=False
    )
    livemode = models.BooleanField("live")
    external_ref = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "livemode", "external_ref"],
                name="end_user_is_seen_once",
            ),
            models.CheckConstraint(
                condition=~Q(external_ref=""), name="end_user_has_a_reference"
            ),
        ]

    def __str__(self) -> str:
        return self.external_ref


class StoredAnswer(models.Model):
    """What one Idempotency-Key was answered: the same key gets the same bytes again."""

    id = models.BigAutoField(primary_key=True)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    livemode = models.BooleanField("live")
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=DIGEST_BYTES)
    status = models.SmallIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        # Rows arrive and leave in time order, so a block range index finds the old ones
        # at no cost to the execute path.
        indexes = [
            BrinIndex(fields=["created_at"], name="answer_by_age", autosummarize=True),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "livemode", "key"], name="answer_is_stored_once"
            ),
            models.CheckConstraint(
                condition=Q(status__gte=200, status__lt=500)
                & ~Q(status__in=[400, 401, 404, 429]),
                name="answer_status_may_be_replayed",
            ),
            models.CheckConstraint(
                condition=Exact(Length("fingerprint"), DIGEST_BYTES),
                name="answer_fingerprint_is_32_bytes",
            ),
        ]

    def __str__(self) -> str:
        return self.key

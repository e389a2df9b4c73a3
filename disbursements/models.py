"""Who signs requests, which nonces were used, and what came in as a file."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from engine.common.ids import new_id, public_id
from engine.common.units import UnitsField
from engine.partners.models import Partner


class SigningKey(models.Model):
    """A merchant's live key: the public id goes along with each request, the secret signs it.

    The secret is sealed, since verifying an HMAC needs it back. Empty `cidrs` let callers
    come from anywhere.
    """

    # This API has no test mode.
    livemode: ClassVar[bool] = True

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    key = models.CharField(max_length=64, unique=True, editable=False)
    sealed_secret = models.BinaryField()
    origins = ArrayField(
        models.CharField(max_length=255), help_text="Such as https://example.com, one at least"
    )
    cidrs = ArrayField(models.CharField(max_length=50), blank=True, default=list)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        default_permissions = ("view",)
        permissions = [
            ("mint_signingkey", "Can mint signing keys"),
            ("revoke_signingkey", "Can revoke signing keys"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(origins__len__gte=1), name="signing_key_has_an_origin"
            )
        ]

    def __str__(self) -> str:
        return self.key


class SeenNonce(models.Model):
    """A nonce that a key has used: it counts once in NONCE_SECONDS, retries included."""

    pk = models.CompositePrimaryKey("key_id", "nonce")
    key = models.ForeignKey(SigningKey, models.CASCADE, db_index=False)
    nonce = models.CharField(max_length=128)
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["seen_at"], name="nonce_by_age")]

    def __str__(self) -> str:
        return self.nonce


class PayoutFile(models.Model):
    """A file of payouts that was checked row by row; nothing of it has moved yet."""

    prefix: ClassVar[str] = "file"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    filename = models.CharField(max_length=255)
    rows = models.JSONField()
    row_count = models.PositiveIntegerField()
    uploaded_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.filename


class BatchStatus(models.TextChoices):
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Batch(models.Model):
    """A file that is being paid. Its rows become payouts, one after the other, each once."""

    prefix: ClassVar[str] = "batch"
    livemode: ClassVar[bool] = True

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    file = models.OneToOneField(PayoutFile, models.PROTECT)
    # The merchant's idempotency key.
    key = models.CharField(max_length=255)
    status = models.CharField(
        max_length=10, choices=BatchStatus, default=BatchStatus.PROCESSING
    )
    total_payouts = models.PositiveIntegerField()
    made_payouts = models.PositiveIntegerField(default=0)
    # What gateways cost when it was begun, and so for all of its rows. Empty for a batch of
    # before batches were set aside, until what is left of it is.
    fees = models.JSONField(default=list)
    # Why it does not go on, in words for the merchant; empty while it does.
    waits_for = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "batches"
        default_permissions = ("view",)
        permissions = [("give_up_batch", "Can give up the rest of batches")]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(status="PROCESSING"), name="batch_is_open"
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(made_payouts__lte=F("total_payouts")),
                name="batch_makes_no_more_than_its_rows",
            ),
            models.UniqueConstraint(fields=["partner", "key"], name="batch_key_is_used_once"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        return public_id(self.prefix, self.id)


class BatchRow(models.Model):
    """One row of a batch and the payout it has become, or why it has not.

    `units` of `currency` is what it was given: of what the batch had set aside, or, where
    its payout is older than that, of the float itself.
    """

    batch = models.ForeignKey(Batch, models.PROTECT, related_name="made", db_index=False)
    line = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    units = UnitsField()
    is_from_reserve = models.BooleanField(default=False)
    payout_id = models.UUIDField(null=True, blank=True, db_index=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="batch_row_is_paid_once"),
        ]

    def __str__(self) -> str:
        return f"line {self.line} of {self.batch_id}"

"""A payment, and the payouts it has owned, one at a time."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from engine.common.ids import new_id
from engine.common.units import UnitsField
from engine.partners.models import DIGEST_BYTES, Partner
from payments.codes import CHARACTERS, PATTERN, PAYMENT_PREFIX
from payments.models.sessions import FormSession
from payments.models.tokens import Token

URL_CHARACTERS_MAX = 2048
TEXT_CHARACTERS_MAX = 255


class PaymentStatus(models.TextChoices):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Payment(models.Model):
    """Money that a partner has set aside for somebody who has yet to say how to be paid.

    It lies in accounts of its own until it has arrived or goes back: whatever is paid out
    of it is held by `held_account_id`, and comes back to `available_account_id` by itself.
    Rows change only in `payments.services` and `payments.expiry`; triggers refuse every
    other change of its terms, and every change of a final one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField(max_length=CHARACTERS, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    livemode = models.BooleanField("live")
    token = models.ForeignKey(Token, models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=3)
    units = UnitsField()
    description = models.CharField(max_length=TEXT_CHARACTERS_MAX, blank=True)
    external_id = models.CharField(max_length=TEXT_CHARACTERS_MAX, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    redirect_url = models.CharField(max_length=URL_CHARACTERS_MAX, blank=True)
    webhook_url = models.CharField(max_length=URL_CHARACTERS_MAX, blank=True)
    customer_id = models.CharField(max_length=TEXT_CHARACTERS_MAX, blank=True)
    customer_name = models.CharField(max_length=TEXT_CHARACTERS_MAX, blank=True)
    # SHA-256 of what was asked, in one spelling.
    fingerprint = models.BinaryField(max_length=DIGEST_BYTES, editable=False)
    key = models.CharField("idempotency key", max_length=255, null=True, blank=True)  # noqa: DJ001 - an absent key is not an empty one
    status = models.CharField(
        max_length=10, choices=PaymentStatus, default=PaymentStatus.PENDING
    )
    failure_code = models.CharField(max_length=50, blank=True)
    available_account_id = models.BigIntegerField(unique=True)
    held_account_id = models.BigIntegerField(unique=True)
    # The payout under way, or else the last one.
    payout_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        default_permissions = ("view",)
        permissions = [("expire_payment", "Can expire payments now")]
        indexes = [
            models.Index(
                fields=["partner", "livemode", "-created_at", "-id"], name="payment_newest"
            ),
            models.Index(
                fields=["expires_at"], condition=Q(status="pending"), name="payment_is_open"
            ),
            models.Index(
                fields=["partner", "livemode", "fingerprint"], name="payment_as_asked"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="payment_code_is_unique"),
            models.CheckConstraint(
                condition=Q(code__regex=PATTERN), name="payment_code_is_26_characters"
            ),
            models.UniqueConstraint(fields=["payout_id"], name="payout_is_of_one_payment"),
            models.UniqueConstraint(
                fields=["partner", "livemode", "key"], name="payment_key_is_used_once"
            ),
            models.UniqueConstraint(
                fields=["partner", "livemode", "external_id"],
                condition=~Q(external_id=""),
                name="payment_external_id_is_used_once",
            ),
            models.UniqueConstraint(
                fields=["partner", "livemode", "fingerprint"],
                condition=Q(key__isnull=True),
                name="payment_without_key_is_made_once",
            ),
            models.CheckConstraint(condition=Q(units__gt=0), name="payment_is_positive"),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="payment_currency_is_iso_4217"
            ),
            models.CheckConstraint(
                condition=Exact(Length("fingerprint"), DIGEST_BYTES),
                name="payment_fingerprint_is_32_bytes",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="payment_lives_a_while"
            ),
            models.CheckConstraint(
                condition=Q(status__in=PaymentStatus.values), name="payment_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(status="pending") ^ Q(finished_at__isnull=False),
                name="payment_is_finished_when_final",
            ),
            models.CheckConstraint(
                condition=Q(status="failed") ^ Q(failure_code=""),
                name="payment_failed_has_code",
            ),
            models.CheckConstraint(
                condition=~Q(status="succeeded") | Q(payout_id__isnull=False),
                name="payment_succeeds_by_a_payout",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.status})"

    @property
    def public_id(self) -> str:
        """What the partner and the recipient hold: whoever has it may open the form."""
        return f"{PAYMENT_PREFIX}{self.code}"

    @property
    def is_final(self) -> bool:
        return self.status != PaymentStatus.PENDING


class PaymentPayout(models.Model):
    """One payout of a payment, for ever: the next one needs this one given up."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="payouts", db_index=False)
    number = models.PositiveSmallIntegerField()
    payout_id = models.UUIDField(unique=True)
    session = models.OneToOneField(FormSession, models.PROTECT, related_name="submitted")

    class Meta:
        ordering = ("payment", "number")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "number"], name="payment_payout_is_numbered"
            )
        ]

    def __str__(self) -> str:
        return f"#{self.number} of {self.payment_id}"

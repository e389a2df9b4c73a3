"""Accounts with mobile-money operators, and every send that was ever asked of one.

An account may move to another host or get new keys: what it is reached by is a row of its
own for each change. A send keeps the row it was prepared with, since an operator knows a
send only on the platform, and by the API user, that it came from.
"""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.units import UnitsField

# MTN refuses an apostrophe and its kin in notes.
PLAIN_NOTE = RegexValidator(r"\A[A-Za-z0-9 .-]{1,160}\Z", "Letters, digits, spaces, . and -")


class MomoAccount(models.Model):
    """Money of ours at one operator in one country, in one currency.

    `callback_url` is the address in front of the secret path, on the host that the
    operator has on its list; empty, and it is never asked to call back. `balance_units`
    is what the operator said at `balance_at`.
    """

    name = models.CharField(max_length=40, unique=True)
    network = models.CharField(max_length=16, help_text="The gateway, such as mtn_momo")
    country = models.CharField(max_length=2, help_text="ISO 3166, such as CM")
    currency = models.CharField(max_length=3, help_text="ISO 4217, such as XAF")
    livemode = models.BooleanField("live", default=True)
    callback_url = models.URLField(max_length=200, blank=True)
    callback_token = models.CharField(max_length=64, unique=True)
    payee_note = models.CharField(max_length=160, default="Payout", validators=[PLAIN_NOTE])
    is_enabled = models.BooleanField(default=True)
    balance_units = UnitsField(null=True, blank=True)  # type: ignore[misc] # may be None
    balance_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("network", "country", "id")
        default_permissions = ("view", "add", "change")
        constraints = [
            models.CheckConstraint(
                condition=Q(country__regex=r"^[A-Z]{2}$", currency__regex=r"^[A-Z]{3}$"),
                name="momo_account_has_codes",
            ),
            models.CheckConstraint(
                condition=~Q(callback_token=""), name="momo_account_has_a_secret_path"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MomoCredentials(models.Model):
    """How an account is reached, since `created_at`. The last one is used for new sends."""

    account = models.ForeignKey(MomoAccount, models.PROTECT, related_name="credentials")
    base_url = models.URLField(max_length=200)
    target_environment = models.CharField(max_length=40)
    api_user = models.CharField(max_length=100)
    api_key_sealed = models.BinaryField()
    subscription_key_sealed = models.BinaryField()
    user_agent = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("account", "-id")
        default_permissions = ("view",)
        verbose_name_plural = "momo credentials"

    def __str__(self) -> str:
        return f"{self.account_id} on {self.base_url}"


class MomoSend(models.Model):
    """One transfer that was asked of an operator, or will be. It is for ever.

    Above `created_at` is what was promised and never changes. Below is what happened:
    `is_out` once a POST may have been taken; `refused` when the operator said that it takes
    no such request; `hinted_at` when a callback last made us look; `seen_at` when a look
    first found it there. `misses` looks in a row,
    from `missed_at` to `last_missed_at`, found nothing since the last POST. `ask_at` is
    when to look next. `said` is the last answer to a look that changed something.
    """

    reference = models.UUIDField(unique=True)
    payout_id = models.UUIDField()
    leg = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField()
    account = models.ForeignKey(MomoAccount, models.PROTECT, related_name="sends")
    credentials = models.ForeignKey(MomoCredentials, models.PROTECT, related_name="+")
    payee = models.CharField(max_length=15, help_text="E.164 without the plus")
    units = UnitsField()
    currency = models.CharField(max_length=3)
    external_id = models.CharField(max_length=36)
    payer_message = models.CharField(max_length=160)
    payee_note = models.CharField(max_length=160)
    created_at = models.DateTimeField(db_default=Now())

    posts = models.PositiveSmallIntegerField(default=0)
    posted_at = models.DateTimeField(null=True, blank=True)
    is_out = models.BooleanField(default=False)
    refused = models.CharField(max_length=200, blank=True)
    hinted_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    ask_at = models.DateTimeField(db_default=Now())
    misses = models.PositiveSmallIntegerField(default=0)
    missed_at = models.DateTimeField(null=True, blank=True)
    last_missed_at = models.DateTimeField(null=True, blank=True)
    said = models.JSONField(null=True, blank=True)
    needs_person = models.BooleanField(default=False)
    failure_code = models.CharField(max_length=50, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["account", "posted_at"], name="momo_send_of_account"),
            models.Index(fields=["payout_id"], name="momo_send_of_payout"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(units__gt=0), name="momo_send_is_positive"),
            models.CheckConstraint(
                condition=Q(payee__regex=r"^[1-9][0-9]{5,14}$"), name="momo_payee_is_e164"
            ),
            models.CheckConstraint(
                condition=Q(is_out=False) | Q(posts__gt=0, posted_at__isnull=False),
                name="momo_is_out_once_posted",
            ),
            models.CheckConstraint(
                condition=Q(misses=0, missed_at__isnull=True, last_missed_at__isnull=True)
                | Q(misses__gt=0, missed_at__isnull=False, last_missed_at__isnull=False),
                name="momo_misses_have_times",
            ),
        ]

    def __str__(self) -> str:
        return str(self.reference)


class MomoPace(models.Model):
    """When an account may be asked next: one row that all workers take turns at."""

    account = models.OneToOneField(
        MomoAccount, models.CASCADE, primary_key=True, related_name="pace"
    )
    free_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"the turns of {self.account_id}"


class OperatorHealth(models.Model):
    """How an operator has done lately, and since when it is believed to be down.

    Of `asked` calls since `since`, `failed` went wrong, the last of them as `why` says;
    `answered` of them took `answer_seconds` in all. While `down_at` is set new sends wait;
    from `try_at` on a few go ahead to find out.
    """

    network = models.CharField(max_length=16)
    country = models.CharField(max_length=2)
    since = models.DateTimeField(db_default=Now())
    asked = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    answered = models.PositiveIntegerField(default=0)
    answer_seconds = models.FloatField(default=0.0)
    why = models.CharField(max_length=200, blank=True)
    down_at = models.DateTimeField(null=True, blank=True)
    try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("network", "country")
        default_permissions = ("view",)
        verbose_name_plural = "operators' health"
        constraints = [
            models.UniqueConstraint(
                fields=["network", "country"], name="operator_has_one_health"
            ),
            models.CheckConstraint(
                condition=Q(down_at__isnull=True, try_at__isnull=True)
                | Q(down_at__isnull=False, try_at__isnull=False),
                name="operator_down_is_tried_again",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.network} in {self.country}"

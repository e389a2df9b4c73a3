"""What partners are owed: endpoints, messages, deliveries, attempts.

A message is inserted in the transaction of the step it tells of, and its bytes never
change. A delivery is one message to one endpoint; an attempt is one request and its reply.
Nothing about them lives in memory.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.ids import new_id, public_id
from engine.partners.models import Partner

URL_LENGTH_MAX = 2048
REPLY_BYTES_MAX = 2048
OWN_URLS = "URLs of single messages"


class EndpointState(models.TextChoices):
    ENABLED = "enabled"
    DISABLED = "disabled"


class Endpoint(models.Model):
    """Where a partner wants to be told, in one mode. Secrets are sealed.

    The one without a URL, which nobody registers, is where messages queue that have a URL
    of their own: one row for all of a partner's, however many such URLs there are.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="endpoints")
    livemode = models.BooleanField("live")
    url = models.CharField(max_length=URL_LENGTH_MAX)
    description = models.CharField(max_length=255, blank=True)
    # Empty means every type there is, also those still to come.
    types = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    dialect = models.CharField(max_length=20, default="standard")
    state = models.CharField(
        max_length=10, choices=EndpointState, default=EndpointState.ENABLED
    )
    disabled_reason = models.CharField(max_length=200, blank=True)
    secret = models.BinaryField(editable=False)
    # While a roll lasts, the old secret signs beside the new one.
    old_secret = models.BinaryField(null=True, blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    # Since when every attempt has failed, and how many; a success clears both.
    failing_since = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    # The breaker: nobody is asked before this moment.
    paused_until = models.DateTimeField(null=True, blank=True)
    # One worker at a time has an endpoint, which is what bounds requests at once.
    leased_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    # Its attempts are for ever, so the row is too; nobody finds it or sends to it again.
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ("view", "change")
        indexes = [models.Index(fields=["partner", "livemode"], name="endpoint_of_partner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=EndpointState.values), name="endpoint_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="disabled") ^ Q(disabled_reason=""),
                name="endpoint_disabled_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True) | Q(state="disabled"),
                name="endpoint_deleted_is_disabled",
            ),
            models.CheckConstraint(
                condition=Q(old_secret__isnull=True, old_secret_until__isnull=True)
                | Q(old_secret__isnull=False, old_secret_until__isnull=False),
                name="endpoint_old_secret_has_an_end",
            ),
            models.UniqueConstraint(
                fields=["partner", "livemode", "dialect"],
                condition=Q(url=""),
                name="endpoint_for_own_urls_is_one",
            ),
        ]

    def __str__(self) -> str:
        return self.url or OWN_URLS

    @property
    def public_id(self) -> str:
        return public_id("whe", self.id)

    @property
    def is_for_own_urls(self) -> bool:
        return not self.url


class Message(models.Model):
    """One thing a partner is told, in frozen bytes. Its id is the same on every attempt.

    `reference` names the step it tells of, so that telling it again owes nothing new;
    `subject` is what it is about, such as ``pay_…``; `sequence` counts per subject. With a
    `url` it goes there, and to no endpoint. `sealed_token` is the text of the API token
    that signs it, where its dialect signs with one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    livemode = models.BooleanField("live")
    door = models.CharField(max_length=20)
    dialect = models.CharField(max_length=20)
    type = models.CharField(max_length=60)
    reference = models.CharField(max_length=100, unique=True)
    subject = models.CharField(max_length=64)
    sequence = models.PositiveIntegerField()
    body = models.BinaryField(editable=False)
    # The database's own default, so that a process of the version before can still insert.
    url = models.CharField(
        max_length=URL_LENGTH_MAX, blank=True, default="", db_default="", editable=False
    )
    sealed_token = models.BinaryField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        permissions = [("resend_message", "Can send messages again")]
        indexes = [
            models.Index(
                fields=["partner", "livemode", "-created_at", "-id"], name="message_newest"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "sequence"], name="message_is_numbered_in_its_subject"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"

    @property
    def public_id(self) -> str:
        return public_id("evt", self.id)


class DeliveryState(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead", "gave up"


class Delivery(models.Model):
    """One message on its way to one endpoint."""

    message = models.ForeignKey(Message, models.PROTECT, related_name="deliveries")
    endpoint = models.ForeignKey(
        Endpoint, models.PROTECT, related_name="deliveries", db_index=False
    )
    state = models.CharField(
        max_length=10, choices=DeliveryState, default=DeliveryState.PENDING
    )
    # Attempts since it was last set going; sending again by hand starts a new count.
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    # While a worker has it. One delivery is in at most one pair of hands.
    leased_until = models.DateTimeField(null=True, blank=True)
    is_replay = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["endpoint", "due_at"],
                condition=Q(due_at__isnull=False),
                name="delivery_due",
            ),
            models.Index(fields=["endpoint", "-id"], name="delivery_newest"),
            models.Index(
                fields=["endpoint"],
                condition=Q(leased_until__isnull=False),
                name="delivery_in_hand",
            ),
            # Few, and what staff look for.
            models.Index(fields=["message"], condition=Q(state="dead"), name="delivery_dead"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["message", "endpoint"], name="message_goes_to_an_endpoint_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="delivery_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="pending") ^ Q(due_at__isnull=True),
                name="delivery_is_due_while_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message} → {self.endpoint}"


class Attempt(models.Model):
    """One request and what came back. Signatures are not kept, nor more than 2 KB of reply."""

    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="attempts")
    at = models.DateTimeField(db_default=Now())
    request_headers = models.JSONField()
    # NULL when nobody answered; `error` says why then.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    reply = models.BinaryField(default=b"", editable=False)
    error = models.CharField(max_length=100, blank=True)
    milliseconds = models.PositiveIntegerField()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.status or self.error} in {self.milliseconds} ms"

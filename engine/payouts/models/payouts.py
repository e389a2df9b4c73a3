"""A payout, the quote it came from, and everything that ever happened to it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from engine.common.ids import new_id, public_id
from engine.common.units import UnitsField
from engine.partners.models import EndUser, Partner
from engine.payouts.states import FINAL, GIVEN_UP, Status


class Terms(models.Model):
    """What a quote locks and its payout carries out, unchanged.

    `units_sent` leaves the user, `units_received` reaches the recipient; what is between
    them is the fee. `from_network` is where the funds are, `to_network` where they go.
    """

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="+", db_index=False)
    livemode = models.BooleanField()
    # None where a partner pays from a float of its own.
    end_user = models.ForeignKey(
        EndUser, models.PROTECT, related_name="+", db_index=False, null=True, blank=True
    )
    door = models.CharField(max_length=20)
    asset = models.CharField(max_length=16)
    from_network = models.CharField(max_length=16)
    to_network = models.CharField(max_length=16)
    destination = models.CharField(max_length=128)
    units_sent = UnitsField()
    units_received = UnitsField()
    # Ledger accounts by id; no foreign key, since the ledger never deletes one and each
    # check would be one more row lock on the path of an execute.
    available_account_id = models.BigIntegerField()
    held_account_id = models.BigIntegerField()

    class Meta:
        abstract = True


class Quote(Terms):
    """A price promise: every term of a payout that has not been asked for yet.

    A live quote never changes but for `used_at`, once (a trigger refuses). A test quote
    is derived from the request, so asking again refreshes it until it is executed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # HMAC over every term, in base64url; the second half of the public quote_id.
    signature = models.CharField(max_length=43)
    units_fee = UnitsField()
    # The operator's part of the fee, where fees are in the currency that is paid.
    units_gateway_fee = UnitsField(db_default=0)
    sent_usd_micros = models.BigIntegerField()
    network_fee_usd_micros = models.BigIntegerField()
    provider_fee_usd_micros = models.BigIntegerField()
    zopay_fee_usd_micros = models.BigIntegerField()
    estimated_seconds = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    # The payout this quote becomes, named in advance, so that its answer can be too.
    payout_id = models.UUIDField()
    # The door's answer to the execute, all but the delivery time (see services).
    answer = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(units_sent=F("units_received") + F("units_fee")),
                name="quote_sends_what_arrives_and_the_fee",
            ),
            models.CheckConstraint(
                condition=Q(units_received__gt=0, units_fee__gte=0),
                name="quote_delivers_something",
            ),
            models.CheckConstraint(
                condition=Q(units_gateway_fee__gte=0, units_gateway_fee__lte=F("units_fee")),
                name="gateway_fee_is_part_of_the_fee",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="quote_lives_a_while"
            ),
        ]

    def __str__(self) -> str:
        # Without its signature: whoever reads a page or a log cannot execute the quote.
        return public_id("qt", self.id)

    @property
    def public_id(self) -> str:
        """What partners hold: 78 characters, `qt_`, the key, the signature."""
        return f"{public_id('qt', self.id)}{self.signature}"

    @property
    def fee_usd_micros(self) -> int:
        return (
            self.network_fee_usd_micros
            + self.provider_fee_usd_micros
            + self.zopay_fee_usd_micros
        )


class Payout(Terms):
    """Money on its way from a partner's user to a recipient, over one or two legs.

    Rows change only in `engine.payouts.services`, by conditional updates; a trigger
    refuses every step that `states.EDGES` does not list.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    quote = models.OneToOneField(Quote, models.PROTECT, related_name="payout")
    rail = models.CharField(max_length=20)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    leg = models.PositiveSmallIntegerField(default=1)
    steps = models.PositiveSmallIntegerField(default=1)
    failure_code = models.CharField(max_length=50, blank=True)
    promised_at = models.DateTimeField()
    estimated_delivery_at = models.DateTimeField()
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    # When a worker should look next; leasing a row moves it into the future.
    due_at = models.DateTimeField(null=True, blank=True)
    # Unknown for longer than the rail's policy: a person has to look. It never clears
    # itself by waiting.
    needs_review = models.BooleanField(default=False)
    # Why a payout that nobody has sent yet is waiting, in a stable word; empty when it is
    # not, or has been sent.
    waiting_for = models.CharField(max_length=50, blank=True, db_default="")
    # How deep the current leg was when last seen, of how deep it must be.
    confirmations = models.PositiveIntegerField(db_default=0)
    confirmations_needed = models.PositiveIntegerField(db_default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="payout_due"
            ),
            models.Index(
                fields=["partner", "livemode", "-created_at", "-id"], name="payout_newest"
            ),
            models.Index(fields=["end_user", "-created_at", "-id"], name="payout_of_user"),
            # Of floats alone: they cost the others nothing.
            models.Index(
                fields=["partner", "livemode", "-created_at", "-id"],
                condition=Q(end_user__isnull=True),
                name="payout_of_float",
            ),
            models.Index(
                fields=["partner", "livemode", "status", "-created_at", "-id"],
                condition=Q(end_user__isnull=True),
                name="payout_of_float_by_status",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="payout_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=FINAL, finished_at__isnull=False, due_at__isnull=True)
                | (~Q(status__in=FINAL) & Q(finished_at__isnull=True, due_at__isnull=False)),
                name="payout_is_due_until_final",
            ),
            models.CheckConstraint(
                condition=Q(status__in=GIVEN_UP) ^ Q(failure_code=""),
                name="payout_given_up_has_code",
            ),
            models.CheckConstraint(
                condition=Q(units_received__gt=0, units_sent__gte=F("units_received")),
                name="payout_is_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.status})"

    @property
    def public_id(self) -> str:
        return public_id("pay", self.id)

    @property
    def is_bridged(self) -> bool:
        return self.from_network != self.to_network

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def network_of_leg(self) -> str:
        """Where the current leg's money moves: the last leg always ends at the recipient."""
        return self.to_network if self.leg == self.legs else self.from_network

    @property
    def legs(self) -> int:
        return 2 if self.is_bridged else 1


class PayoutEvent(models.Model):
    """One step in a payout's life: the audit trail, and what the tracking page shows.

    `reference` is what the outside calls the step, such as a hash on `network`. Rows are
    for ever (a trigger refuses changes).
    """

    payout = models.ForeignKey(Payout, models.PROTECT, related_name="events", db_index=False)
    number = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=10, choices=Status)
    network = models.CharField(max_length=16, blank=True)
    reference = models.CharField(max_length=128, blank=True)
    happened_at = models.DateTimeField()

    class Meta:
        ordering = ["payout", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["payout", "number"], name="payout_event_is_numbered"
            ),
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="payout_event_status_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payout_id} #{self.number} {self.status}"

"""The simulated rail's outside world, and the faults that tests put into it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.units import UnitsField


class ArrivedQuerySet(models.QuerySet["SimulatedTransfer"]):
    """Questions about the simulated outside."""

    def arrived(self) -> ArrivedQuerySet:
        """The transfers that really moved money: paying twice would show here."""
        return self.filter(final_at__lte=Now(), fails_at__isnull=True)


class SimulatedTransfer(models.Model):
    """The simulated rail's outside world: what a chain would know, and we could only ask.

    One row for each reference that was ever accepted. `seen_at`, `final_at` and `fails_at`
    are moments that come by themselves, by the database's clock; while `is_held` the last
    two wait for `advance`. `expected_at` is the estimate that the outside gave at first.
    """

    reference = models.CharField(max_length=128, primary_key=True)
    payout_id = models.TextField()
    leg = models.PositiveSmallIntegerField()
    livemode = models.BooleanField("live")
    network = models.CharField(max_length=16)
    asset = models.CharField(max_length=16)
    units = UnitsField()
    destination = models.CharField(max_length=128)
    accepted_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True)
    expected_at = models.DateTimeField()
    final_at = models.DateTimeField(null=True, blank=True)
    fails_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=50, blank=True)
    is_held = models.BooleanField(default=False)

    objects = ArrivedQuerySet.as_manager()

    class Meta:
        ordering = ("-accepted_at",)
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["payout_id"], condition=Q(is_held=True), name="transfer_is_held"
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(units__gt=0), name="simulated_transfer_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(is_held=True, final_at__isnull=True, fails_at__isnull=True)
                | Q(is_held=False, final_at__isnull=False, fails_at__isnull=True)
                | Q(is_held=False, final_at__isnull=True, fails_at__isnull=False),
                name="simulated_transfer_has_one_end",
            ),
            models.CheckConstraint(
                condition=Q(fails_at__isnull=False) ^ Q(failure_code=""),
                name="simulated_failure_has_code",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} {self.asset} on {self.network}: {self.reference}"


class FaultKind(models.TextChoices):
    """How the simulated outside misbehaves, for each of the next `remaining` sends.

    All but the last strike a submit. A send that is struck by `drop_request`, `never_seen`
    or `refuse` has not happened; one struck by `land_late` happens `seconds` later.
    """

    DROP_REPLY = "drop_reply", "takes it, and the answer is lost"
    DROP_REQUEST = "drop_request", "the question is lost"
    NEVER_SEEN = "never_seen", "says yes and forgets it"
    REFUSE = "refuse", "says no and does not take it"
    LAND_LATE = "land_late", "no answer; it lands some seconds later"
    LOOK_UP_SILENT = "look_up_silent", "a look-up gets no answer"


class SimulatedFault(models.Model):
    """A fault that a test or the chaos run has put into the simulated outside.

    Each send, or each look-up of a send, that it strikes takes one from `remaining`.
    """

    kind = models.CharField(max_length=14, choices=FaultKind)
    remaining = models.PositiveIntegerField(default=1)
    seconds = models.FloatField(default=0)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        indexes = [
            models.Index(fields=["id"], condition=Q(remaining__gt=0), name="fault_is_left")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=FaultKind.values), name="fault_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} x {self.remaining}"

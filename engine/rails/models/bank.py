"""Accounts of ours at banks, the transfers that they pay, and the files both ways.

A transfer's promise, and a file, never change. A file holds names, so it is kept sealed;
what it promises is in its transfers too.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engine.common.units import UnitsField

# The EPC's basic set (EPC217-08), which every bank of SEPA takes.
PLAIN = RegexValidator(
    r"\A[A-Za-z0-9?:().,'+ -]+\Z", "Latin letters without accents, digits, spaces, ?:().,'+-"
)
FOLDER = RegexValidator(r"\A[a-z0-9][a-z0-9-]{0,39}\Z", "Small letters, digits and hyphens")
REFERENCE = r"^ZP[A-Z2-7]{26}$"
DIGEST_BYTES = 32
HOURS_MAX = 30 * 24


class BankDelivery(models.TextChoices):
    """How files reach a bank."""

    DOWNLOAD = "download", "a person downloads each and uploads it at the bank"
    FOLDER = "folder", "each is put into a folder that another program empties"


class BankAccount(models.Model):
    """An account of ours at a bank, in euros, that SEPA transfers are paid from.

    Its folder below BANK_DIR has its name. A file is made `batch_seconds` after the first
    transfer for it came, of all that have come by then. After `cut_off` (UTC) a file asks
    to be paid on the next working day. A transfer of which the bank has said nothing for
    `silent_hours` is shown to a person. `folder_id` is that folder's own id, kept before
    anything was let out: without that very folder nobody knows what the bank has.
    """

    name = models.CharField(max_length=40, unique=True, validators=[FOLDER])
    holder = models.CharField(max_length=70, validators=[PLAIN])
    iban = models.CharField("IBAN", max_length=34)
    bic = models.CharField("BIC", max_length=11)
    livemode = models.BooleanField("live", default=True)
    is_enabled = models.BooleanField(default=True)
    delivery = models.CharField(
        max_length=8, choices=BankDelivery, default=BankDelivery.DOWNLOAD
    )
    batch_seconds = models.PositiveIntegerField(
        default=900, help_text="How long the first transfer of a file waits for others"
    )
    cut_off = models.TimeField(
        null=True, blank=True, help_text="UTC; later files are for the next working day"
    )
    silent_hours = models.PositiveIntegerField(
        default=72, validators=[MinValueValidator(1), MaxValueValidator(HOURS_MAX)]
    )
    books_singly = models.BooleanField(
        default=True,
        help_text="Ask for a line in the statement for each transfer; needed to settle them"
        " where the bank lists no details of a sum",
    )
    settles_on_acsc = models.BooleanField(
        "a status report settles",
        default=False,
        help_text="Believe ACSC in a pain.002; otherwise only a booked entry of a statement",
    )
    remittance = models.CharField(max_length=60, default="Payout", validators=[PLAIN])
    folder_id = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("name",)
        default_permissions = ("view", "add", "change")
        constraints = [
            models.CheckConstraint(
                condition=Q(iban__regex=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$")
                & Q(bic__regex=r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$"),
                name="bank_account_has_iban_and_bic",
            ),
            models.CheckConstraint(
                condition=Q(delivery__in=BankDelivery.values), name="bank_delivery_is_known"
            ),
            models.CheckConstraint(
                condition=Q(name__regex=r"^[a-z0-9][a-z0-9-]{0,39}$"),
                name="bank_account_name_is_a_folder",
            ),
            models.CheckConstraint(
                condition=Q(silent_hours__gte=1, silent_hours__lte=HOURS_MAX),
                name="bank_silence_has_an_end",
            ),
            models.UniqueConstraint(
                fields=["iban", "livemode"],
                condition=Q(is_enabled=True),
                name="bank_account_is_enabled_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BankPayee(models.Model):
    """Whom a payout is to, as the bank will print it, sealed."""

    payout_id = models.UUIDField(primary_key=True)
    name_sealed = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.payout_id)


class BankFile(models.Model):
    """One pain.001 file, sealed as it was made. Above `created_at` nothing ever changes.

    `digest` is the SHA-256 of what is sealed. `placed_in` is the folder that it was meant
    for, by that folder's own id, once it may have been put there. It is handed over once:
    by the folder, or by the person who took it first. `given_again_at` is when somebody had
    its bytes once more: from then on the bank may have it twice.
    """

    message_id = models.CharField(max_length=35, unique=True)
    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="files")
    content_sealed = models.BinaryField()
    digest = models.BinaryField(max_length=DIGEST_BYTES)
    transfers = models.PositiveIntegerField()
    units = UnitsField()
    executes_on = models.DateField()
    created_at = models.DateTimeField()

    placed_in = models.UUIDField(null=True, blank=True)
    handed_at = models.DateTimeField(null=True, blank=True)
    handed_by = models.CharField(max_length=150, blank=True)
    given_again_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view", "hand_over")
        constraints = [
            models.CheckConstraint(
                condition=Q(message_id__regex=REFERENCE, transfers__gt=0, units__gt=0),
                name="bank_file_pays_something",
            ),
            models.CheckConstraint(
                condition=Q(handed_at__isnull=True, handed_by="")
                | (Q(handed_at__isnull=False) & ~Q(handed_by="")),
                name="bank_file_is_handed_over_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account"],
                condition=Q(handed_at__isnull=True),
                name="bank_file_waits",
            )
        ]

    def __str__(self) -> str:
        return self.message_id


class BankLostFile(models.Model):
    """A file that a bank may have and a restored database does not; nobody sends it again.

    Until there is a row for each such file, the house knows less than its bank.
    """

    message_id = models.CharField(max_length=35, unique=True)
    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="lost_files")
    orders = models.JSONField(default=list, help_text="The names of its transfers")
    found_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.message_id


class BankTransfer(models.Model):
    """One credit transfer that a bank was asked for, or will be. It is for ever.

    Above `created_at` is what was promised; `account` may change as long as it is in no
    file. Below is what happened: `released_at` once the
    engine let it out; `file` once it is in one, for good; `is_recalled` when a restored
    house remembers it only from its journal, so that it may be at the bank already and
    never goes into a file. `said` is the bank's last word that changed something, `seen_at`
    its first. `why` says what a person has to decide. `told_at` is when the engine was told
    that it arrived: a return that is read before makes it fail, and a later one is kept as
    `returned_at`.
    """

    end_to_end_id = models.CharField(max_length=35, unique=True)
    payout_id = models.UUIDField()
    leg = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField()
    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="transfers")
    iban = models.CharField("IBAN", max_length=34)
    units = UnitsField()
    currency = models.CharField(max_length=3)
    remittance = models.CharField(max_length=140)
    created_at = models.DateTimeField(db_default=Now())

    released_at = models.DateTimeField(null=True, blank=True)
    is_recalled = models.BooleanField(default=False)
    file = models.ForeignKey(
        BankFile, models.PROTECT, related_name="orders", null=True, blank=True
    )
    seen_at = models.DateTimeField(null=True, blank=True)
    heard_at = models.DateTimeField(null=True, blank=True)
    said = models.JSONField(null=True, blank=True)
    why = models.CharField(max_length=60, blank=True)
    failure_code = models.CharField(max_length=50, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    returned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["payout_id"], name="bank_transfer_of_payout"),
            models.Index(
                fields=["account", "id"],
                condition=Q(file__isnull=True, released_at__isnull=False, is_recalled=False),
                name="bank_transfer_waits_for_file",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["payout_id", "leg", "number"], name="bank_attempt_is_one_transfer"
            ),
            models.CheckConstraint(
                condition=Q(units__gt=0, currency="EUR", end_to_end_id__regex=REFERENCE)
                & Q(iban__regex=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$"),
                name="bank_transfer_pays_euros_to_an_iban",
            ),
            models.CheckConstraint(
                condition=Q(file__isnull=True)
                | Q(released_at__isnull=False, is_recalled=False),
                name="bank_file_holds_what_was_let_out",
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=False) | Q(failure_code=""),
                name="bank_failure_is_an_end",
            ),
            models.CheckConstraint(
                condition=Q(returned_at__isnull=True)
                | Q(finished_at__isnull=False, failure_code=""),
                name="bank_return_follows_arrival",
            ),
            models.CheckConstraint(
                condition=Q(told_at__isnull=True)
                | Q(finished_at__isnull=False, failure_code=""),
                name="bank_engine_is_told_of_arrivals",
            ),
        ]

    def __str__(self) -> str:
        return self.end_to_end_id


class BankStatement(models.Model):
    """One file in which a bank told us something, and what each of its lines changed.

    The same bytes are read once. `lines` are about transfers of ours and hold no names;
    the file itself is not kept, since it tells of everything else on the account too.
    """

    digest = models.BinaryField(max_length=DIGEST_BYTES, unique=True)
    kind = models.CharField(max_length=20, help_text="Such as camt.053.001.08")
    message_id = models.CharField(max_length=35)
    file_name = models.CharField(max_length=200, blank=True)
    lines = models.JSONField(default=list)
    changed = models.PositiveIntegerField()
    strangers = models.PositiveIntegerField()
    read_by = models.CharField(max_length=150)
    read_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view", "add")
        constraints = [
            models.CheckConstraint(
                condition=~Q(read_by=""),
                name="bank_statement_is_read_by_somebody",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"

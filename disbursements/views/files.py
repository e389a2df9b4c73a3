"""Files of payouts, and paying them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework.response import Response

from disbursements.authentication import SignedRequest, authenticate
from disbursements.base import Endpoint
from disbursements.batches import batch_of, begin_batch
from disbursements.files import FILE_BYTES_MAX, read_rows
from disbursements.models import Batch, BatchRow, BatchStatus, PayoutFile
from disbursements.serializers import BulkForm, NoQuery
from engine.common.errors import BodyTooLarge, InvalidInput
from engine.common.ids import public_id
from engine.common.times import format_time

if TYPE_CHECKING:
    from rest_framework.request import Request

    from disbursements.authentication import Merchant

# The multipart frame around the file itself.
FRAME_BYTES_MAX = 64 * 1024
FILENAME_LENGTH_MAX = 255
ERRORS_SHOWN_MAX = 100


class SignedFile(SignedRequest):
    """A signed request that may be as large as a file."""

    def authenticate(self, request: Request) -> tuple[Merchant, Merchant]:
        merchant = authenticate(request._request, bytes_max=FILE_BYTES_MAX + FRAME_BYTES_MAX)
        return merchant, merchant


class Upload(Endpoint):
    """A file is checked and kept; nothing moves."""

    authentication_classes = (SignedFile,)
    http_method_names = ("post",)

    def post(self, request: Request) -> Response:
        name, text = _read_file(request)
        rows = read_rows(text)
        file = PayoutFile.objects.create(
            partner_id=self.merchant.partner_id,
            filename=name[:FILENAME_LENGTH_MAX],
            rows=rows,
            row_count=len(rows),
        )
        file.refresh_from_db(fields=["uploaded_at"])
        return Response(
            {
                "file_id": public_id(PayoutFile.prefix, file.pk),
                "filename": file.filename,
                "row_count": file.row_count,
                "uploaded_at": format_time(file.uploaded_at),
            },
            status=201,
        )


def _read_file(request: Request) -> tuple[str, str]:
    """The name and the text of the one part called `file`. Raises InvalidInput."""
    http = request._request
    try:
        # DRF's parsers would spool it to disk; it is small, and read already.
        _, files = MultiPartParser(
            http.META, io.BytesIO(http.body), [WholeInMemory(http)], "utf-8"
        ).parse()
    except (MultiPartParserError, SuspiciousOperation):
        raise InvalidInput("Send the file as multipart/form-data.") from None
    file = files.get("file")
    if file is None:
        raise InvalidInput("Send the file as the part called `file`.")
    if file.size > FILE_BYTES_MAX:
        raise BodyTooLarge(f"A file may have at most {FILE_BYTES_MAX // 1024**2} MB.")
    try:
        return file.name, file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("The file is not UTF-8.") from None


class WholeInMemory(MemoryFileUploadHandler):
    """Ten megabytes at most, which were in memory before."""

    def handle_raw_input(self, *_args: object, **_options: object) -> None:
        self.activated = True


class Bulk(Endpoint):
    """Pay a file that was checked."""

    http_method_names = ("post",)

    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        form = self.read(BulkForm)
        batch = begin_batch(
            partner_id=self.merchant.partner_id,
            file_id=form["file_id"],
            key=form["idempotency_key"],
        )
        batch.refresh_from_db(fields=["created_at"])
        # The same call again gets the same answer; the batch's own address says more.
        return Response(_answer(batch) | {"status": BatchStatus.PROCESSING.value}, status=201)


class OneBatch(Endpoint):
    """How far a batch is, and which of its rows could not be paid."""

    http_method_names = ("get", "head")

    def get(self, request: Request, batch_id: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        batch = batch_of(self.merchant.partner_id, batch_id)
        bad = BatchRow.objects.filter(batch=batch, payout_id=None).order_by("line")
        return Response(
            _answer(batch)
            | {
                "made_payouts": batch.made_payouts,
                "waiting_for": batch.waits_for or None,
                "errors": [
                    {"line": row.line, "message": row.error} for row in bad[:ERRORS_SHOWN_MAX]
                ],
            }
        )


def _answer(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.public_id,
        "total_payouts": batch.total_payouts,
        "status": batch.status,
        "created_at": format_time(batch.created_at),
    }

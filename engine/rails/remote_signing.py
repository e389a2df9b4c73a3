"""A signer on another host, believed only as far as what it returns can be checked.

The protocol is two requests, both with `Authorization: Bearer <REMOTE_SIGNER_TOKEN>`:

    GET  <REMOTE_SIGNER_URL>/address?key_name=…   {"address": "0x…"}
    POST <REMOTE_SIGNER_URL>/sign                 {"signed": [{"raw": "0x…"}]}
         {"requests": [{"key_name": "…", "fields": {…}}]}

`fields` are EIP-1559's as in JSON-RPC, every number a hex string, because a JSON number
past 2**53 is lost on many a reader; `type` is "0x2". The answers are in the order of the
requests. Signing the same twice is harmless, so a lost answer is simply asked for again.

What comes back is taken apart: it must be exactly the bytes we would have signed, with a
signature by the key's address, or nothing of the batch is used.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import orjson
import rlp  # type: ignore[import-untyped]
from django.conf import settings
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from eth_utils.hexadecimal import decode_hex
from rlp.exceptions import RLPException  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from engine.rails.plain_http import PlainSession, what_went_wrong
from engine.rails.signing import (
    QUANTITIES,
    Signed,
    SigningRequest,
    SigningUnavailable,
    checked_fields,
    checked_key_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_BYTES_MAX = 16 * 1024 * 1024
DYNAMIC_FEE = b"\x02"
# The order of EIP-1559; what follows is the access list and the signature.
ORDER = (*QUANTITIES[:5], "to", "value", "data")
ITEMS = len(ORDER) + 4
# secp256k1's order halved: EIP-2 lets nobody take the larger of the two possible s.
S_MAX = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class RemoteSigner:
    """Asks REMOTE_SIGNER_URL. Threads may share it, processes may not."""

    def __init__(self) -> None:
        self._session = PlainSession(body_bytes_max=ANSWER_BYTES_MAX)
        self._addresses: dict[str, str] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return "<RemoteSigner>"

    def address_of(self, key_name: str) -> str:
        """The address of the key, asked once per process. Raises SigningUnavailable."""
        checked_key_name(key_name)
        with self._lock:
            known = self._addresses.get(key_name)
        if known:
            return known
        answer = self._ask("GET", "/address", params={"key_name": key_name})
        address = answer.get("address")
        if not isinstance(address, str) or not is_checksum_address(address):
            raise SigningUnavailable(
                f"The remote signer gave no EIP-55 address for the key {key_name}. "
                "Check that it knows the key."
            )
        with self._lock:
            return self._addresses.setdefault(key_name, address)

    def sign(self, requests: Sequence[SigningRequest]) -> list[Signed]:
        """See engine.rails.signing.Signer."""
        if not requests:
            return []
        wanted = [checked_fields(request) for request in requests]
        senders = [request.sender or self.address_of(request.key_name) for request in requests]
        asked = [
            {"key_name": checked_key_name(request.key_name), "fields": _as_json(fields)}
            for request, fields in zip(requests, wanted, strict=True)
        ]
        answer = self._ask("POST", "/sign", data=orjson.dumps({"requests": asked}))
        signed = answer.get("signed")
        if not isinstance(signed, list) or len(signed) != len(asked):
            raise SigningUnavailable("The remote signer did not sign each request once.")
        return [
            _verified(one, fields=fields, sender=sender)
            for one, fields, sender in zip(signed, wanted, senders, strict=True)
        ]

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        url, token = settings.REMOTE_SIGNER_URL, settings.REMOTE_SIGNER_TOKEN
        if not url or not token:
            raise SigningUnavailable(
                "Set REMOTE_SIGNER_URL and REMOTE_SIGNER_TOKEN, or another SIGNER."
            )
        seconds = settings.RPC_TIMEOUT_SECONDS
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            response = self._session.request(
                method, url.rstrip("/") + path, timeout=seconds, headers=headers, **options
            )
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            why = "answered something that is not JSON"
        except (OSError, HTTPError, ValueError) as error:
            why = what_went_wrong(error, seconds=seconds)
        else:
            if isinstance(answer, dict):
                return answer
            why = "answered something that is not a JSON object"
        # Outside any except block: what was caught may hold the request and its token.
        raise SigningUnavailable(f"The remote signer {why}. See that it runs and is reachable.")


def _as_json(fields: dict[str, Any]) -> dict[str, str]:
    numbers = {name: hex(fields[name]) for name in QUANTITIES}
    return {**numbers, "to": fields["to"], "data": "0x" + fields["data"].hex(), "type": "0x2"}


def _verified(one: Any, *, fields: dict[str, Any], sender: str) -> Signed:
    """The signed bytes, if they are what was asked. Raises SigningUnavailable."""
    try:
        raw = decode_hex(one["raw"])
        items = rlp.decode(raw[1:])
        why = _difference(raw, items, fields=fields)
        if not why and _sender_of(items) != sender:
            why = "signer"
    except (TypeError, KeyError, ValueError, RecursionError):
        why = "encoding"
    except (RLPException, BadSignature, ValidationError):
        why = "encoding"
    if why:
        raise SigningUnavailable(
            f"The remote signer returned something else than it was asked ({why} differs). "
            "Nothing of it was used. See whether it can still be trusted."
        )
    return Signed(hash="0x" + keccak(raw).hex(), raw=raw)


def _difference(raw: bytes, items: Any, *, fields: dict[str, Any]) -> str:
    """The first thing that is not as it was asked, or nothing."""
    if raw[:1] != DYNAMIC_FEE:
        return "type"
    if not isinstance(items, list) or len(items) != ITEMS:
        return "number of fields"
    for name, item in zip(ORDER, items, strict=False):
        if item != _encoded(fields[name]):
            return name
    return "accessList" if items[len(ORDER)] != [] else ""


def _sender_of(items: list[Any]) -> str:
    """The address that signed. Raises ValueError when a node would refuse the signature."""
    *unsigned, odd, r, s = items
    numbers = (len(odd), int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    if odd not in {b"", b"\x01"} or [r, s] != [_encoded(n) for n in numbers[1:]]:
        raise ValueError("not three numbers as RLP has them")
    if numbers[2] > S_MAX:
        raise ValueError("the larger s")
    digest = keccak(DYNAMIC_FEE + rlp.encode(unsigned))
    public_key = Signature(vrs=numbers).recover_public_key_from_msg_hash(digest)
    return public_key.to_checksum_address()


def _encoded(value: int | str | bytes) -> bytes:
    """A field as RLP holds it: numbers big-endian without leading zeros."""
    match value:
        case int():
            return value.to_bytes((value.bit_length() + 7) // 8, "big")
        case str():
            return decode_hex(value)
    return value

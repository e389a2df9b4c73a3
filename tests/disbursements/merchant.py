"""A merchant's own small client: it signs as the published page says, by its own code."""

import hashlib
import hmac
import json
import time
from urllib.parse import urlencode
from uuid import uuid4

from django.test import Client

BASE = "/api/v1/disbursements"
ORIGIN = "https://shop.example"
NUMBER = "+237670006789"
QUOTE = {
    "gateway": "MTN_MOMO",
    "transaction_type": "DISBURSEMENT",
    "amount": "5000",
    "currency": "XAF",
    "recipient": {"msisdn": NUMBER},
}
FLOAT_UNITS = 100_000


def signature(secret, *parts):
    text = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


class Merchant:
    """One signing key, JSON both ways."""

    def __init__(self, key, secret, origin=ORIGIN, **client):
        self.key, self.secret, self.origin = key, secret, origin
        self.client = Client(**client)

    def signed(self, method, path, query="", body=b"", *, age=0, nonce=None):
        """The six headers for such a request."""
        timestamp, nonce = str(int(time.time() - age)), nonce or str(uuid4())
        ordered = "&".join(sorted(query.split("&"))) if query else ""
        return {
            "x-zo-key": self.key,
            "x-zo-timestamp": timestamp,
            "x-zo-nonce": nonce,
            "x-zo-origin": self.origin,
            "x-zo-version": "1.0",
            "x-zo-signature": signature(
                self.secret, method, path, ordered, body, timestamp, nonce, self.origin
            ),
        }

    def send(self, method, path, query="", body=b"", *, headers, kind="application/json"):
        address = f"{path}?{query}" if query else path
        return self.client.generic(method, address, body, content_type=kind, headers=headers)

    def get(self, path="", **query):
        text = urlencode(query)
        return self.send(
            "GET", BASE + path, text, headers=self.signed("GET", BASE + path, text)
        )

    def post(self, path, body=None, *, raw=None, base=BASE, kind="application/json"):
        body = (b"" if body is None else json.dumps(body).encode()) if raw is None else raw
        headers = self.signed("POST", base + path, "", body)
        return self.send("POST", base + path, "", body, headers=headers, kind=kind)

    def quote(self, **changes):
        """A fresh quote's answer, parsed."""
        answer = self.post("/quote", QUOTE | changes)
        assert answer.status_code == 201, answer.content
        return answer.json()

    def execute(self, quote_id, *, key=None, msisdn=NUMBER):
        return self.post(
            "/execute",
            {
                "quote_id": quote_id,
                "idempotency_key": key or str(uuid4()),
                "recipient": {"msisdn": msisdn},
            },
        )

    def pay(self, *, key=None, msisdn=NUMBER, **changes):
        """Quote and execute; the answer, parsed."""
        quote = self.quote(recipient={"msisdn": msisdn}, **changes)
        answer = self.execute(quote["quote_id"], key=key, msisdn=msisdn)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def upload(self, text, *, name="pay.csv", base="/files/v1/payout-csv"):
        body, kind = multipart(text if isinstance(text, bytes) else text.encode(), name)
        return self.post("", raw=body, base=base, kind=kind)


def multipart(content, name, part="file"):
    body = (
        b'--frame\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
        b"Content-Type: text/csv\r\n\r\n%s\r\n--frame--\r\n"
    ) % (part.encode(), name.encode(), content)
    return body, "multipart/form-data; boundary=frame"


def csv_of(count, *, amount=100, first=670_000_000):
    rows = (f"+237{first + n},{amount},MTN_MOMO,r-{n}" for n in range(count))
    return "\n".join(["phone,amount,gateway,reference", *rows])

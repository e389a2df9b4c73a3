"""HTTP to servers that the operator named: RPC nodes and the remote signer.

No redirect is followed, no proxy or .netrc of the environment is heeded and no cookie is
kept, so a request ends where the settings say or nowhere. An answer is read to the end
within its time and size, or not at all.
"""

from __future__ import annotations

import logging
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Container

# At DEBUG both write addresses with their paths, where providers put API keys.
for _name in ("urllib3", "web3"):
    logging.getLogger(_name).setLevel(logging.WARNING)

OK = 200
PIECE_BYTES = 65_536


class PlainSession(requests.Session):
    """A session that several threads may share, but not several processes.

    Whatever is not a whole answer of one of `statuses`, which is HTTP 200 unless a subclass
    says otherwise, raises requests.RequestException, or OSError.
    """

    statuses: Container[int] = (OK,)

    def __init__(self, *, body_bytes_max: int) -> None:
        super().__init__()
        self.body_bytes_max = body_bytes_max
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def request(self, method: Any, url: Any, *args: Any, **options: Any) -> requests.Response:
        """As requests does, `timeout` being seconds for the whole of it."""
        seconds: float = options["timeout"]
        deadline = monotonic() + seconds
        options |= {"allow_redirects": False, "stream": True}
        response = super().request(method, url, *args, **options)
        try:
            response._content = self._read(response, deadline)
        except BaseException:
            response.close()
            raise
        return response

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        if response.status_code not in self.statuses:
            raise requests.HTTPError(response=response)
        pieces: list[bytes] = []
        left = self.body_bytes_max
        # read1 comes back with what is there; read would wait for all of it, byte by byte.
        while piece := response.raw.read1(PIECE_BYTES, decode_content=True):
            pieces.append(piece)
            left -= len(piece)
            if left < 0:
                raise requests.exceptions.ContentDecodingError("too long an answer")
            if monotonic() > deadline:
                raise requests.ReadTimeout
        return b"".join(pieces)


def what_went_wrong(error: Exception, *, seconds: float) -> str:
    """The end of a sentence that begins with the server's name. Never names an address."""
    match error:
        case requests.HTTPError(response=requests.Response(status_code=status)):
            return f"answered HTTP {status}"
        case requests.ConnectTimeout() | requests.ReadTimeout() | TimeoutError():
            return f"did not answer within {seconds:g} seconds"
        case requests.exceptions.ContentDecodingError():
            return "answered too much, or garbled"
        case requests.ConnectionError() if "timed out" in str(error).lower():
            return f"did not answer within {seconds:g} seconds"
        case requests.ConnectionError():
            return "could not be reached, or hung up"
    return f"could not be asked ({type(error).__name__})"

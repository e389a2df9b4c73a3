"""A partner's receiver on this machine, as well or as badly behaved as a test wants it."""

import socket
from contextlib import suppress
from threading import Event, Thread
from time import sleep

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECONDS_MAX = 20


class Receiver:
    """Answers every request with the pieces that `answer` yields, or with these bytes.

    `requests` holds what came, byte for byte. With a TLS context it speaks https; one that
    is `rude` answers before it has read anything.
    """

    def __init__(self, answer=OK, *, host="127.0.0.1", port=0, context=None, rude=False):
        self.answer, self.context, self.rude = answer, context, rude
        self.requests, self.connections, self.is_over = [], 0, Event()
        self._listening = socket.create_server((host, port), backlog=256)
        self.port = self._listening.getsockname()[1]
        self.url = f"http://{host}:{self.port}/"
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(SECONDS_MAX)

    def _accept(self):
        while True:
            try:
                connection = self._listening.accept()[0]
            except OSError:
                return
            self.connections += 1
            serving = Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(serving)
            serving.start()

    def _serve(self, connection):
        connection.settimeout(SECONDS_MAX)
        with suppress(OSError), connection:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                if not self.rude:
                    self.requests.append(read_request(connection))
                pieces = [self.answer] if isinstance(self.answer, bytes) else self.answer()
                for piece in pieces:
                    if self.is_over.is_set():
                        return
                    connection.sendall(piece)


def read_request(connection):
    """Reads one request with a Content-Length, to its last byte."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = connection.recv(65536)
        if not piece:
            return seen
        seen += piece
    head, _, body = seen.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def drip(text, seconds=0.02):
    """Yields one byte at a time, and the last byte again and again for ever."""
    for place in range(len(text)):
        yield text[place : place + 1]
        sleep(seconds)
    while True:
        yield text[-1:]
        sleep(seconds)

"""A server that keeps its connections, and answers each request as a test says."""

import socket
from contextlib import contextmanager
from threading import Thread

from tests.receiver import read_request


class Server:
    def __init__(self, answer):
        self.answer, self.paths = answer, []
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listening.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.listening.accept()[0]
            except OSError:
                return
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            while asked := read_request(connection):
                self.paths.append(asked.split(b" ", 2)[1].decode())
                answer = self.answer(asked)
                if not answer:
                    return
                connection.sendall(answer)


@contextmanager
def serving(answer):
    server = Server(answer)
    try:
        yield server
    finally:
        server.listening.close()

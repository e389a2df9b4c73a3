"""The database backend of settings.DATABASES. Django finds DatabaseWrapper by this name."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the socket, not the server, whether a kept connection still stands.

    Django asks `SELECT 1` before the first query of every request: a round trip as long as
    the execute's own. But a server that ends, restarts or throws us out closes the
    connection, and says so at once; on an idle one nothing else ever comes in. What falls
    silent without a word (a cable, a firewall) TCP's keepalives find out.
    """

    def is_usable(self) -> bool:
        """Whether the connection is open, quiet, and in no failed transaction."""
        connection = self.connection
        if connection is None or connection.closed:
            return False
        if connection.info.transaction_status == TransactionStatus.INERROR:
            return False
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        return not waiting.poll(0)

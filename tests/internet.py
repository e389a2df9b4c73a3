"""A small internet at the boundary: names that answer as told, wires that end at this machine,
and an authority whose certificates are believed for one test.

Only the real resolver, the far end of the wire and the list of authorities are replaced: the
code under test looks names up, judges what it is told, dials and verifies.
"""

import datetime as dt
import ipaddress
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PUBLIC = "93.184.215.14"
PUBLIC_IPV6 = "2606:4700:4700::1111"
METADATA = "169.254.169.254"


class Internet:
    """`names` maps a name to the answers it gives, one after the other, the last for ever: a
    list of addresses, an error, or a call that returns either.

    `wires` maps an address that is dialled to the local port where it is answered, or to an
    error. `asked` and `dialled` tell what was looked up and dialled.
    """

    def __init__(self, monkeypatch):
        self.names, self.wires = {}, {}
        self.asked, self.dialled, self.bytes_read = [], [], 0
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)
        monkeypatch.setattr(socket, "socket", wire_into(self))

    def getaddrinfo(self, host, port, *_, **__):
        self.asked.append(host)
        answers = self.names.get(host, [[host]])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer = answer() if callable(answer) else answer
        if isinstance(answer, OSError):
            raise answer
        return [self._found(address, port) for address in answer]

    def _found(self, address, port):
        if ipaddress.ip_address(address).version == 4:
            return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)


def wire_into(internet):
    class Wire(socket.socket):
        def connect(self, address):
            internet.dialled.append(address[0])
            end = internet.wires.get(address[0])
            if isinstance(end, OSError):
                raise end
            host = "127.0.0.1" if self.family == socket.AF_INET else "::ffff:127.0.0.1"
            super().connect(address if end is None else (host, end))

        def recv(self, *arguments):
            piece = super().recv(*arguments)
            internet.bytes_read += len(piece)
            return piece

    return Wire


class Authority:
    """Signs certificates that are good for an hour, or were until yesterday."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("Throw-away", self._key, days=0, is_authority=True)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def context_of_server(self, folder, *names, days=0):
        """Returns the TLS context of a server that proves to be these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(names[0], key, names=names, days=days)
        chain = folder / f"{names[0]}.pem"
        chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _sign(self, subject, key, *, names=(), days, is_authority=False):
        now = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Throw-away")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(
                x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
            )
        )
        if names:
            listed = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(listed, critical=False)
        return builder.sign(self._key, hashes.SHA256())

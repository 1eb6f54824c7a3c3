"""TLS in this process: the server's certificate, and a client that trusts this very certificate and no other."""

from __future__ import annotations

import ssl
from pathlib import Path

from rag.errors import RagError

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
# What OpenSSL says of the key of another certificate; the last of one of another type.
_OTHER_KEY = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with a certificate (and what is between it and its authority) and its key, both PEM.

    Raises `RagError` SETUP-009, naming the file that is missing, unreadable or not PEM, a key with a password, or
    a pair that does not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in (cert, key):
        try:
            file.read_bytes()
        except OSError as error:
            raise RagError("SETUP-009", file=str(file), reason=error.strerror or str(error)) from None

    def password() -> str:
        raise RagError("SETUP-009", file=str(key), reason="rule:tls-password")

    try:
        ssl.create_default_context(cafile=cert)
    except ssl.SSLError:
        raise RagError("SETUP-009", file=str(cert), reason="rule:tls-cert") from None
    try:
        context.load_cert_chain(cert, key, password)
    except ssl.SSLError as error:
        reason = "rule:tls-pair" if error.reason in _OTHER_KEY else "rule:tls-key"
        raise RagError("SETUP-009", file=str(key), reason=reason) from None
    return context


def first_certificate(cert: Path) -> str:
    """The server's own certificate, PEM: the first of the file. Those of its authorities may follow it."""
    text = cert.read_text(encoding="ascii", errors="replace")
    return _BEGIN + text.partition(_BEGIN)[2].partition(_END)[0] + _END + "\n"


def client_context(certificate: str) -> ssl.SSLContext:
    """For talking to the server that shows this very certificate, whoever made it and whatever name is in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Enough that this one is trusted; the authority that made it need not be.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context

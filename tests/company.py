"""A company's network: a proxy through which alone the world is reached, and which looks into
whatever is encrypted by certificates of its own.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.stream_server import stream_server


@dataclass
class Company:
    """port: of the proxy, on 127.0.0.1. authority: the certificate of its own authority. asked: the
    heads of all that came, to it and through it.
    """

    port: int
    authority: Path
    asked: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def company(
    folder: Path, name: str, answer: bytes, *, refusal: bytes = b""
) -> AsyncIterator[Company]:
    """Answers every request for the host of this name with these bytes, as if it had asked it; with
    the refusal at once, where there is one.
    """
    authority, context = _certificates(folder, name)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(refusal or b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        if not refusal:
            await writer.start_tls(context)
            made.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(answer)
            await writer.drain()

    async with stream_server(handle) as port:
        made = Company(port, authority)
        yield made


def _certificates(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """An authority, and what a server of this name needs that it vouches for."""
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _signed(
        "A Company", ours, "A Company", ours, x509.BasicConstraints(ca=True, path_length=None)
    )
    leaf = _signed(
        name, theirs, "A Company", ours, x509.SubjectAlternativeName([x509.DNSName(name)])
    )
    authority, chain = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain.write_bytes(theirs.private_bytes(*plain) + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    return authority, context


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject, authority = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer)
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority)
        .public_key(key.public_key())
    )
    made = (
        made.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    return made.add_extension(
        extension, critical=isinstance(extension, x509.BasicConstraints)
    ).sign(by, hashes.SHA256())

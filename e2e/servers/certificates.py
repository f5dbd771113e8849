"""A throw-away certificate authority for the TLS listeners and their clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from e2e.servers.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

_LIFETIME = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)  # pods and hosts disagree about the time


@dataclass(frozen=True)
class Authority:
    """A CA whose key and certificate lie in `directory`."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """The CA certificate file, PEM."""
        return self.directory / "ca.pem"

    @property
    def _key(self) -> Path:
        return self.directory / "ca.key"

    def create(self) -> None:
        """Make the CA unless it exists."""
        if self.certificate.exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Eventplane test CA")
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key, _key_pem(key))
        write_private(self.certificate, _pem(certificate))

    def issue(
        self, common_name: str, addresses: frozenset[str] = frozenset(), names: frozenset[str] = frozenset()
    ) -> tuple[str, str]:
        """Return a new certificate and its PKCS #8 key, both PEM, for what listens on IP addresses and DNS names."""
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        authority_key = serialization.load_pem_private_key(self._key.read_bytes(), password=None)
        assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), authority.subject, key.public_key()).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        if addresses or names:
            alternatives = [x509.IPAddress(ip_address(address)) for address in sorted(addresses)]
            named = [x509.DNSName(name) for name in ("localhost", *sorted(names))]
            builder = builder.add_extension(x509.SubjectAlternativeName([*named, *alternatives]), critical=False)
        return _pem(builder.sign(authority_key, hashes.SHA256())), _key_pem(key)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

"""TLS from PEM text in memory: certificates and keys come from Secrets and never lie in a file."""

import os
import ssl


def client_context(ca_pem: str | None, certificate_pem: str | None, key_pem: str | None) -> ssl.SSLContext:
    """Make what a client needs to trust a server and to be known by it.

    Args:
        ca_pem: certificates to trust; None trusts the system's.
        certificate_pem: the client's own chain for mutual TLS.
        key_pem: its private key.

    Raises:
        ssl.SSLError: one of them is not what it should be.
    """
    context = ssl.create_default_context(cadata=ca_pem)
    if certificate_pem and key_pem:
        # OpenSSL takes certificates from files only: this one lies in memory and has no name
        descriptor = os.memfd_create("certificate")
        try:
            os.write(descriptor, f"{key_pem}\n{certificate_pem}".encode())
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    return context

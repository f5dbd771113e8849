"""Where events may go: which addresses are no service's, whoever asks for them.

| # | the address is | in a pod | elsewhere |
|---|---|---|---|
| 1 | link-local, multicast or unspecified | refused | refused |
| 2 | one where a cloud tells machines about themselves | refused | refused |
| 3 | the loopback | refused: nothing but the pod itself is there | the machine's own, let through |
| 4 | the API server's | refused | |
| 5 | any other, private networks included | let through: that is where the services of a cluster are | let through |

An address of IPv4 counts as what it is also where one of IPv6 holds it.
"""

import ipaddress
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_CLOUDS: Final = frozenset(
    ipaddress.ip_address(each)
    for each in (
        "100.100.100.200",  # Alibaba Cloud's metadata
        "168.63.129.16",  # Azure's WireServer
        "fd00:ec2::254",  # AWS's metadata, by IPv6
        "fd20:ce::254",  # Google Cloud's metadata, by IPv6
    )
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LOOPBACK_NAME: Final = "localhost"


def why_no_service(host: str, *, in_pod: bool, api_server: str | None = None) -> str | None:
    """Say why no event goes to an address; None: it may.

    Args:
        host: an address, or a name, of which only the loopback's is known: look at what the others are resolved to.
        in_pod: whether the process that delivers runs, or will run, in a pod.
        api_server: where the API server of that pod's cluster is; None: nobody has told.
    """
    address = _address(host)
    if address is None:
        is_loopback = host.rstrip(".").lower().rpartition(".")[2] == _LOOPBACK_NAME
        return _refused(host, "is the pod itself") if in_pod and is_loopback else None
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return _refused(host, "is link-local, multicast or unspecified")
    if address in _CLOUDS:
        return _refused(host, "tells machines of a cloud about themselves")
    if in_pod and address.is_loopback:
        return _refused(host, "is the pod itself")
    if api_server is not None and address == _address(api_server):
        return _refused(host, "is the API server of the cluster")
    return None


def _refused(host: str, why: str) -> str:
    return f"{host} is no address of a service: it {why}"


def _address(host: str) -> Address | None:
    """Read an address, that of IPv4 which one of IPv6 may stand for; None: it is a name."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address

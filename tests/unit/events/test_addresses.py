"""Where events may go and where not, row by row."""

from __future__ import annotations

import pytest

from eventplane.events.addresses import why_no_service

LINK_LOCAL = "is link-local, multicast or unspecified"
CLOUD = "tells machines of a cloud about themselves"
POD = "is the pod itself"
API_SERVER = "is the API server of the cluster"


@pytest.mark.parametrize(
    ("host", "in_pod", "elsewhere"),
    [
        pytest.param("169.254.169.254", LINK_LOCAL, LINK_LOCAL, id="1: a cloud's metadata"),
        pytest.param("fe80::1", LINK_LOCAL, LINK_LOCAL, id="1: link-local of IPv6"),
        pytest.param("[fe80::1%eth0]", LINK_LOCAL, LINK_LOCAL, id="1: of an interface"),
        pytest.param("224.0.0.1", LINK_LOCAL, LINK_LOCAL, id="1: multicast"),
        pytest.param("ff02::1", LINK_LOCAL, LINK_LOCAL, id="1: multicast of IPv6"),
        pytest.param("0.0.0.0", LINK_LOCAL, LINK_LOCAL, id="1: no address"),  # noqa: S104 - nothing listens
        pytest.param("::", LINK_LOCAL, LINK_LOCAL, id="1: no address of IPv6"),
        pytest.param("::ffff:169.254.169.254", LINK_LOCAL, LINK_LOCAL, id="1: mapped"),
        pytest.param("64:ff9b::a9fe:a9fe", LINK_LOCAL, LINK_LOCAL, id="1: translated"),
        pytest.param("2002:a9fe:a9fe::1", LINK_LOCAL, LINK_LOCAL, id="1: tunnelled"),
        pytest.param("100.100.100.200", CLOUD, CLOUD, id="2: Alibaba Cloud"),
        pytest.param("::ffff:168.63.129.16", CLOUD, CLOUD, id="2: Azure, mapped"),
        pytest.param("fd00:ec2::254", CLOUD, CLOUD, id="2: AWS"),
        pytest.param("fd20:ce::254", CLOUD, CLOUD, id="2: Google Cloud"),
        pytest.param("127.0.0.1", POD, None, id="3: the loopback"),
        pytest.param("127.8.9.10", POD, None, id="3: all of it"),
        pytest.param("[::1]", POD, None, id="3: of IPv6"),
        pytest.param("::ffff:127.0.0.1", POD, None, id="3: mapped"),
        pytest.param("localhost", POD, None, id="3: its name"),
        pytest.param("billing.LocalHost.", POD, None, id="3: a name below it"),
        pytest.param("10.96.0.1", API_SERVER, None, id="4"),
        pytest.param("::ffff:10.96.0.1", API_SERVER, None, id="4: mapped"),
        pytest.param("10.96.0.2", None, None, id="5: a service of the cluster"),
        pytest.param("192.168.1.1", None, None, id="5: a private network"),
        pytest.param("100.64.0.1", None, None, id="5: a shared network"),
        pytest.param("fd00::1", None, None, id="5: a private network of IPv6"),
        pytest.param("203.0.113.7", None, None, id="5: anybody"),
        pytest.param("2001:db8::1", None, None, id="5: anybody, by IPv6"),
        pytest.param("billing", None, None, id="5: a name"),
        pytest.param("billing.shop.svc.cluster.local", None, None, id="5: a name in the cluster"),
        pytest.param("notlocalhost", None, None, id="5: a name that only looks like it"),
    ],
)
def test_where_events_may_go(host: str, in_pod: str | None, elsewhere: str | None) -> None:
    for expected, api_server in ((in_pod, "10.96.0.1"), (elsewhere, None)):
        found = why_no_service(host, in_pod=api_server is not None, api_server=api_server)
        assert found == (None if expected is None else f"{host} is no address of a service: it {expected}")


def test_an_api_server_by_ipv6_and_none_that_is_known() -> None:
    assert why_no_service("fd00::1", in_pod=True, api_server="fd00::1") is not None
    assert why_no_service("10.96.0.1", in_pod=True) is None

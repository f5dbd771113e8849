"""Principals that are mapped: what a template makes of a resource, and that no two resources get one principal."""

from typing import Any

import pytest
from builders import CLUSTER, KAFKA, mapping_bus, metadata, publication, subscription, wanted_access
from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from hypothesis import given
from hypothesis import strategies as st

from eventplane.api.conditions import Reason
from eventplane.api.crd import crd
from eventplane.api.event_bus import EventBus
from eventplane.planning.access_desired import user_name
from eventplane.planning.access_state import Grant
from eventplane.planning.mapped_principals import holder_of, maps_principals, mark_of, principal_name
from eventplane.planning.plan import Refusal


@pytest.mark.parametrize(
    ("template", "principal"),
    [
        pytest.param("CN={{ name }}.{{ namespace }}", "CN=web.shop", id="a common name"),
        pytest.param("CN={{ name }},OU={{ namespace }},O=Shop", "CN=web,OU=shop,O=Shop", id="a distinguished name"),
        pytest.param("{{ namespace }}.{{ name }}", "shop.web", id="dots are in no namespace"),
        pytest.param("{{ namespace }}/{{ kind }}/{{ name }}", "shop/publication/web", id="one for each kind"),
        pytest.param("{{ namespace }}{{ kind }}.{{ name }}", "shoppublication.web", id="the kind is always there"),
        pytest.param("spiffe://c/ns/{{ namespace }}/sa/{{ name }}", "spiffe://c/ns/shop/sa/web", id="SPIFFE"),
        pytest.param("admin", None, id="everybody's"),
        pytest.param("{{ name }}", None, id="that of every namespace"),
        pytest.param("{{ namespace }}", None, id="that of a whole namespace"),
        pytest.param("{{ namespace }}-{{ name }}", None, id="a-b c is a b-c"),
        pytest.param("{{ name }}{{ namespace }}", None, id="ab c is a bc"),
        pytest.param("{{ name }}{{ kind }}{{ namespace }}", None, id="a name may hold the kind"),
        pytest.param("{{ name }}.{{ namespace }}.{{ name }}", None, id="twice"),
        pytest.param("{{ name }}.{{ namespace }}{{ labels }}", None, id="whoever makes a resource chooses its labels"),
        pytest.param("{{name}}.{{ namespace }}", None, id="written otherwise"),
        pytest.param("{% if x %}{{ name }}.{{ namespace }}", None, id="not Jinja"),
        pytest.param("User:{{ name }}.{{ namespace }}", None, id="User: is meant"),
    ],
)
def test_principal_name(template: str, principal: str | None) -> None:
    found = principal_name(publication("web"), mapping_bus(template))
    if principal is not None:
        assert found == principal
    else:
        assert isinstance(found, Refusal)
        assert found.reason == Reason.INVALID_NAME
    assert _admitted(template) is (principal is not None)


def _admitted(template: str) -> bool:
    """Ask the rules of the CRD, as the API server does."""
    return all(bool(rule.eval(data={"self": template}).value()) for rule in _RULES)


def _rules() -> list[cel.Expression]:
    made = crd(EventBus)
    spec: Any = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    template = spec["kafka"]["properties"]["principals"]["properties"]["template"]
    env = cel.NewEnv(variables={"self": cel.Type.STRING}, extensions=[ext_strings.ExtStrings()])
    return [env.compile(rule["rule"]) for rule in template["x-kubernetes-validations"]]


_RULES = _rules()
NAMESPACES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,4}[a-z0-9])?", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,5}[a-z0-9])?", fullmatch=True)
PIECES = st.sampled_from(["", ".", "-", "x", "a", ",OU=", "/", "{{ kind }}", ".-", "-.", "{", "0"])


@st.composite
def templates(draw: st.DrawFn) -> str:
    slots = draw(st.permutations(["{{ namespace }}", "{{ name }}"]))
    before, first, second, after = (draw(PIECES) for _ in range(4))
    return f"{before}{slots[0]}{first}{second}{slots[1]}{after}"


@given(templates(), st.tuples(NAMESPACES, NAMES), st.tuples(NAMESPACES, NAMES))
def test_no_two_names_have_one_principal_and_the_api_server_takes_the_same_templates(
    template: str, one: tuple[str, str], other: tuple[str, str]
) -> None:
    bus = mapping_bus(template)
    made = [principal_name(make(name, namespace), bus) for namespace, name in (one, other) for make in _KINDS]
    assert _admitted(template) is isinstance(made[0], str)
    if one != other and isinstance(made[0], str):
        assert set(made[:2]).isdisjoint(made[2:]), "whichever kinds they are of"


_KINDS = (publication, subscription)


@pytest.mark.parametrize(
    ("bus", "maps"),
    [
        (mapping_bus("{{ namespace }}.{{ name }}"), True),
        (mapping_bus("{{ namespace }}.{{ name }}", kind="PLAIN"), True),
        (mapping_bus("{{ namespace }}.{{ name }}", kind="OAUTHBEARER"), True),
        (mapping_bus("{{ namespace }}.{{ name }}", kind="SCRAM-SHA-512"), False),
        (mapping_bus("{{ namespace }}.{{ name }}", kind=None), False),
        (mapping_bus(None), False),
    ],
)
def test_where_principals_are_mapped(bus: EventBus, maps: bool) -> None:  # noqa: FBT001
    assert maps_principals(bus) is maps


def test_who_holds_a_principal() -> None:
    ours, theirs = (mark_of(user_name(publication("web"), cluster)) for cluster in (CLUSTER, "elsewhere"))
    more = Grant("TOPIC", "t", "READ")
    assert holder_of([more]) is None
    assert holder_of([more, ours]) == ours.name
    assert holder_of([theirs, ours]) == min(theirs.name, ours.name), "whoever looks"
    assert holder_of([Grant("GROUP", ours.name, "READ"), Grant("GROUP", "shop.g", "DESCRIBE")]) is None
    assert holder_of([Grant("GROUP", ours.name, "DESCRIBE", prefixed=True)]) is None


def test_no_application_is_granted_the_mark_of_another() -> None:
    """A namespace may be called eventplane, and a Subscription in it what the user of another is called then."""
    ours = mark_of(user_name(publication("web"), CLUSTER))
    namespace, _, name = ours.name.partition(".")
    forged = subscription(name, namespace)
    assert forged.metadata.key == metadata(name, namespace).key
    made = wanted_access(forged, connection=KAFKA)
    assert made.group == ours.name
    assert holder_of(made.grants) is None

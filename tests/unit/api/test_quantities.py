"""Durations and sizes as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from eventplane.api.quantities import Duration, RetentionSize, RetentionTime, milliseconds, size_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("250ms", 250, id="milliseconds"),
        pytest.param("90s", 90_000, id="seconds"),
        pytest.param("15m", 900_000, id="minutes, not months"),
        pytest.param("2h", 7_200_000, id="hours"),
        pytest.param("7d", 604_800_000, id="days"),
        pytest.param("2w", 1_209_600_000, id="weeks"),
        pytest.param("0s", 0, id="nothing"),
        pytest.param("unlimited", -1, id="Kafka's word for no limit"),
    ],
)
def test_milliseconds(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize("text", ["7", "d", "7 d", "1.5h", "-1s", "7d\n", "", "1h30m", "9999999999s"])
def test_milliseconds_of_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and one of ms, s, m, h, d, w, such as 7d"):
        milliseconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1024", 1024, id="plain bytes"),
        pytest.param("1k", 1_000, id="decimal, lower k as Kubernetes has it"),
        pytest.param("1Ki", 1_024, id="binary"),
        pytest.param("3M", 3_000_000, id="mega"),
        pytest.param("50Gi", 53_687_091_200, id="gibi"),
        pytest.param("2T", 2_000_000_000_000, id="tera"),
        pytest.param("1Pi", 1_125_899_906_842_624, id="pebi"),
        pytest.param("unlimited", -1, id="Kafka's word for no limit"),
    ],
)
def test_size_bytes(text: str, expected: int) -> None:
    assert size_bytes(text) == expected


@pytest.mark.parametrize("text", ["Gi", "1K", "1ki", "1 Gi", "1.5Gi", "-1", "", "1GiB"])
def test_size_bytes_of_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and one of k, M, G"):
        size_bytes(text)


@given(st.from_regex(r"\A([0-9]{1,9})(ms|s|m|h|d|w)\Z"))
def test_what_the_schema_lets_through_is_a_duration(text: str) -> None:
    assert milliseconds(TypeAdapter(Duration).validate_python(text)) >= 0


@given(st.text(max_size=12))
def test_what_is_no_duration_the_schema_stops(text: str) -> None:
    for kind, convert in ((RetentionTime, milliseconds), (RetentionSize, size_bytes)):
        try:
            TypeAdapter(kind).validate_python(text)
        except ValidationError:
            continue
        convert(text)

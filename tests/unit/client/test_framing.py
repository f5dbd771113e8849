"""The wire format, beside Confluent's own reading of it; and which major version a version is of."""

from io import BytesIO

import pytest
from confluent_kafka.schema_registry.serde import SchemaId
from hypothesis import given
from hypothesis import strategies as st

from eventplane.client import DeserializationError, EventSerializer, SerializationError
from eventplane.client.framing import frame, frame_index, unframe, unframe_index
from eventplane.client.registry import SubjectMajors
from eventplane.events.majors import Majors, MajorStep


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**20), min_size=1, max_size=5).map(tuple), st.binary())
def test_what_is_framed_is_read_by_us_and_by_confluents_client(
    schema_id: int, index: tuple[int, ...], body: bytes
) -> None:
    payload = frame(schema_id, frame_index(index) + body)
    found, rest = unframe(payload)
    assert (found, unframe_index(rest)) == (schema_id, (index, body))
    theirs = SchemaId("PROTOBUF")
    assert theirs.from_bytes(BytesIO(payload)).read() == body
    assert (theirs.id, tuple(theirs.message_indexes or ())) == (schema_id, index)


def test_the_first_message_is_a_single_zero() -> None:
    assert frame(5, frame_index((0,)) + b"x") == b"\0\0\0\0\x05\0x"
    assert unframe_index(b"\0x") == ((0,), b"x")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\0\0", "2 bytes are no event: the schema's id alone takes 5"),
        (b"{hello", "the first byte is 123, not 0"),
    ],
)
def test_bytes_without_a_schema(payload: bytes, message: str) -> None:
    with pytest.raises(DeserializationError, match=message):
        unframe(payload)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "cut off"),
        (b"\x80\x80\x80\x80\x80\x80", "cut off"),
        (b"\x02\x01", "the step -1"),
        (b"\x01", "has -1 steps"),
        (b"\xfe\x01", "has 127 steps"),
    ],
)
def test_places_of_messages_that_are_none(body: bytes, message: str) -> None:
    with pytest.raises(DeserializationError, match=message):
        unframe_index(body)


def test_a_version_is_of_the_major_version_that_the_record_says() -> None:
    majors = SubjectMajors(Majors((MajorStep(1, last_version=2, up="event", down="event"),)), (1, 2, 3, 4))
    assert [majors.latest_of(major) for major in (1, 2, 3)] == [2, 4, None]
    assert SubjectMajors(Majors(), (1, 2)).latest_of(1) == 2


def test_a_serializer_that_cannot_tell_what_to_write_by() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        EventSerializer({"url": "http://localhost:1"}, major=1, version=2)
    serializer = EventSerializer({"url": "http://localhost:1"})
    assert serializer(None) is None
    with pytest.raises(SerializationError, match="which subject is meant"):
        serializer({})
    serializer.close()

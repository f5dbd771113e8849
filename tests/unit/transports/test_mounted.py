"""Mounted files that change while a process runs: read again, and nothing is lost by one that is of no use."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from eventplane.api.metadata import SecretKeyRef, SecretRef
from eventplane.api.sink import HttpSignature, HttpSink, HttpTls
from eventplane.transports.http_credentials import read_credentials
from eventplane.transports.mounted import Mounted, MountedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - published
TRUSTING = HttpSink(url="https://a", tls=HttpTls(ca_secret_ref=SecretKeyRef(name="s", key="root.pem")))
KNOWN = HttpSink(url="https://a", tls=HttpTls(certificate_secret_ref=SecretRef(name="s")))
SIGNED = HttpSink(url="http://a", signature=HttpSignature(secret_ref=SecretRef(name="s")))
BEARING = HttpSink(url="http://a", bearer_token_secret_ref=SecretRef(name="s"))


def number(texts: Sequence[bytes | None]) -> int:
    if texts[0] is None or not texts[0].isdigit():
        raise MountedError("no number")
    return int(texts[0])


def test_files_are_looked_at_again_every_ten_seconds(tmp_path: Path) -> None:
    file = tmp_path / "number"
    file.write_text("1")
    mounted = Mounted([file], number)
    assert mounted.current(100.0) == 1
    file.write_text("2")
    assert mounted.current(109.9) == 1
    assert mounted.current(110.0) == 2


def test_what_is_of_no_use_changes_nothing_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "number"
    file.write_text("1")
    mounted = Mounted([file], number)
    with caplog.at_level(logging.INFO):
        for now, text in ((0.0, "one"), (10.0, "two"), (20.0, "1"), (30.0, "3"), (40.0, "4")):
            file.write_text(text)
            mounted.current(now)
        file.unlink()
        file.mkdir()
        assert mounted.current(50.0) == 4, "what cannot be read is of no use either"
        file.rmdir()
        assert mounted.current(60.0) == 4, "nor is what is absent"
    assert [record.message for record in caplog.records] == [
        "what was read before is used on",
        "mounted files were read again",
        "mounted files were read again",
        "what was read before is used on",
    ]


def test_what_is_of_no_use_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MountedError, match="no number"):
        Mounted([tmp_path / "absent"], number)


@pytest.mark.parametrize(
    ("sink", "files", "words"),
    [
        pytest.param(
            BEARING, {}, "sink/token is absent or empty: the Secret of http.bearerTokenSecretRef needs the key token"
        ),
        pytest.param(BEARING, {"sink/token": "\n"}, "sink/token holds no token"),
        pytest.param(BEARING, {"sink/token": "hunter2\r\nhost: evil"}, "sink/token holds no token"),
        pytest.param(
            SIGNED,
            {"sink-signature/previousSecret": SECRET},
            "sink-signature/secret is absent or empty: the Secret of http.signature.secretRef needs the key secret",
        ),
        pytest.param(
            SIGNED,
            {"sink-signature/secret": "hunter2"},
            "sink-signature/secret is no whsec_ with 24 to 64 random bytes as base64",
        ),
        pytest.param(
            SIGNED,
            {"sink-signature/secret": SECRET, "sink-signature/previousSecret": "hunter2"},
            "sink-signature/previousSecret is no whsec_ with 24 to 64 random bytes as base64",
        ),
        pytest.param(
            TRUSTING, {}, "sink-ca/ca.crt is absent or empty: the Secret of http.tls.caSecretRef needs the key root.pem"
        ),
        pytest.param(
            KNOWN,
            {"sink-certificate/tls.crt": "c", "sink-certificate/tls.key": ""},
            "sink-certificate/tls.key is absent or empty: the Secret of http.tls.certificateSecretRef needs the key"
            " tls.key",
        ),
    ],
)
def test_what_a_sink_misses_is_named_and_not_shown(
    tmp_path: Path, sink: HttpSink, files: dict[str, str], words: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(MountedError) as refused:
        read_credentials(sink, tmp_path)
    assert str(refused.value) == f"{tmp_path}/{words}"


def test_keys_to_sign_with_are_the_current_one_and_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "sink-signature").mkdir()
    (tmp_path / "sink-signature" / "secret").write_text(f"{SECRET}\n")
    credentials = read_credentials(SIGNED, tmp_path)
    assert credentials.token is None
    assert credentials.signing_keys is not None
    assert [len(key) for key in credentials.signing_keys.current(0.0)] == [24]
    (tmp_path / "sink-signature" / "previousSecret").write_text(SECRET.replace("MfKQ", "AAAA"))
    keys = credentials.signing_keys.current(10.0)
    assert [len(key) for key in keys] == [24, 24]
    assert keys[0] != keys[1]

"""A producer and a consumer that never stop, and move to other credentials when their mounted Secret has some."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

if TYPE_CHECKING:
    from e2e.workspace import Workspace

_LOOK_SECONDS = 0.2
"""How often a client looks whether its Secret has changed; a mounted one changes less promptly."""
_PAUSE_SECONDS = 0.01
_PATIENCE_SECONDS = 15


class EndlessClient(ABC):
    """A thread with a client of Kafka; everything that goes wrong in it is in `failures`."""

    def __init__(self, place: Workspace, secret: str, topic: str) -> None:
        self.failures: list[str] = []
        self.users: list[str] = []
        """Whom it has been, in order."""
        self._place = place
        self._secret = secret
        self._topic = topic
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=secret, daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for what is under way."""
        self._over.set()
        self._thread.join(_PATIENCE_SECONDS)

    @abstractmethod
    def open(self, settings: dict[str, Any]) -> None:
        """Become a client with these settings, and let go of the one before when nothing of its is under way."""

    @abstractmethod
    def step(self) -> None:
        """Do one thing."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the client."""

    def failed(self, what: str, error: KafkaError) -> None:
        """Count a failure, as each of librdkafka's callbacks does."""
        self.failures.append(f"{what} as {self.users[-1]}: {error.name()}: {error.str()}")

    def _run(self) -> None:
        seen, due = "", 0.0
        try:
            while not self._over.is_set():
                if time.monotonic() >= due:
                    seen, due = self._look(seen), time.monotonic() + _LOOK_SECONDS
                self.step()
            self.close()
        except KafkaException as error:
            self.failed("raised", error.args[0])

    def _look(self, seen: str) -> str:
        text = (self._place.secret(self._secret) or {})["librdkafka.json"]
        if text != seen:
            settings = json.loads(text)
            self.users.append(settings["sasl.username"])
            self.open({**settings, "log_level": 0, "error_cb": lambda error: self.failed("error_cb", error)})
        return text


class EndlessProducer(EndlessClient):
    """Writes numbers; `written` are those that Kafka has acknowledged."""

    def __init__(self, place: Workspace, secret: str, topic: str) -> None:
        super().__init__(place, secret, topic)
        self.written: set[int] = set()
        self.attempts = 0
        self._producer: Producer | None = None

    def open(self, settings: dict[str, Any]) -> None:
        """Open the next producer, and flush the one before."""
        self.close()
        self._producer = Producer({**settings, "linger.ms": 0, "message.timeout.ms": _PATIENCE_SECONDS * 1000})

    def step(self) -> None:
        """Write the next number."""
        assert self._producer is not None
        value = str(self.attempts).encode()
        self.attempts += 1
        self._producer.produce(self._topic, value, on_delivery=self._delivered)
        self._producer.poll(0)
        time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Wait until all has been acknowledged."""
        if self._producer is not None:
            self._producer.flush(_PATIENCE_SECONDS)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed("produce", error)
        else:
            self.written.add(int(message.value() or b""))


class EndlessConsumer(EndlessClient):
    """Reads numbers in its group; `read` are those that came."""

    def __init__(self, place: Workspace, secret: str, topic: str) -> None:
        super().__init__(place, secret, topic)
        self.read: set[int] = set()
        self._consumer: Consumer | None = None

    def open(self, settings: dict[str, Any]) -> None:
        """Leave the group and come back as somebody else."""
        self.close()
        self._consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
        self._consumer.subscribe([self._topic])

    def step(self) -> None:
        """Read what comes in a moment."""
        assert self._consumer is not None
        message = self._consumer.poll(0.1)
        if message is None:
            return
        error = message.error()
        if error is not None:
            self.failed("fetch", error)
        else:
            self.read.add(int(message.value() or b""))

    def close(self) -> None:
        """Commit, and leave the group."""
        if self._consumer is not None:
            self._consumer.close()

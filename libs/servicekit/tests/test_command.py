"""A service started by its command, as a platform engineer starts it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from servicekit.testing import Environment


def test_a_port_in_use_is_said_in_one_sentence(environment: Environment, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        source = Path(__file__).parent / "sample" / "src"
        variables = os.environ | {
            "PYTHONPATH": str(source),
            "SAMPLE_DATABASE_URL": environment.postgres.url(),
            "SAMPLE_NATS_URL": environment.nats_url,
            "SAMPLE_JWKS_FILE": str(tmp_path / "none.json"),
            "SAMPLE_PORT": str(port),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "sample_service", "serve"],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"sample could not listen on 127.0.0.1:{port} (Address already in use). Is the port in use?"
    )

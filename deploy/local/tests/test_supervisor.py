"""The supervisor's pauses and order, on processes that do what the test needs."""

import sys
import threading
import time
from pathlib import Path

from kizuna_local.processes import PythonProcess
from kizuna_local.supervisor import Supervisor


def process(tmp_path: Path, name: str, program: str) -> PythonProcess:
    return PythonProcess([sys.executable, "-c", program], {"HOME": str(tmp_path)}, tmp_path / f"{name}.log")


def test_one_that_keeps_dying_is_started_ever_later(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(say=said.append, on_change=lambda: None)
    supervisor.start_together({"weak": process(tmp_path, "weak", "raise SystemExit(3)")})
    watching = threading.Thread(target=supervisor.watch)
    watching.start()
    deadline = time.monotonic() + 30
    while supervisor.watched["weak"].restarts < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    supervisor.stop_all()
    watching.join()
    announced = [sentence for sentence in said if "starting it again" in sentence]
    assert announced[:3] == [
        "weak ended with code 3; starting it again in 0.25 s.",
        "weak ended with code 3; starting it again in 0.5 s.",
        "weak ended with code 3; starting it again in 1 s.",
    ]


def test_groups_stop_in_reverse_order_and_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    write_end = "import atexit,signal,sys,time; signal.signal(15, lambda *_: sys.exit()); "
    write_end += "atexit.register(lambda: open('{file}','a').write('{name} ')); print('up', flush=True); time.sleep(60)"
    file = tmp_path / "order"
    supervisor = Supervisor(say=print, on_change=lambda: None)
    for name in ("first", "second", "third"):
        supervisor.start_together({name: process(tmp_path, name, write_end.format(file=file, name=name))})
    deadline = time.monotonic() + 30
    while not all((tmp_path / f"{name}.log").read_text() for name in ("first", "second", "third")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    supervisor.stop_all()
    assert file.read_text().split() == ["third", "second", "first"]

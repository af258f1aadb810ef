"""What a person sees while the story is told: one line per step, with a bar where there is something to count."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Bar:
    """One step's progress."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, more: int = 1) -> None:
        """So many more are done."""
        self._progress.advance(self._task, more)

    def reach(self, done: int) -> None:
        """So many are done by now."""
        self._progress.update(self._task, completed=done)

    def aim(self, total: int) -> None:
        """How many there will be is known now."""
        self._progress.update(self._task, total=total)

    def finish(self) -> None:
        """Fill the bar."""
        task = self._progress.tasks[self._progress.task_ids.index(self._task)]
        done = max(task.completed, task.total or 0, 1)
        self._progress.update(self._task, total=done, completed=done)


class Steps:
    """Steps that happen at the same time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.bars: list[Bar] = []

    def add(self, title: str, *, total: int | None = None) -> Bar:
        """One more; without `total` there is nothing to count."""
        bar = Bar(self._progress, self._progress.add_task(f"{title:<40}", total=total))
        self.bars.append(bar)
        return bar


class Narrator:
    """Writes to a console; on anything but a terminal each step is one line, printed when it is over."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def steps(self) -> Iterator[Steps]:
        """Show steps while the body runs; they are finished when it ends without an error."""
        columns = (
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            steps = Steps(progress)
            yield steps
            for bar in steps.bars:
                bar.finish()

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Bar]:
        """Show one step while the body runs."""
        with self.steps() as steps:
            yield steps.add(title, total=total)

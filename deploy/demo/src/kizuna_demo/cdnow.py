"""CDNOW: 69,659 real purchases of 23,570 customers of one retailer over 18 months.

The file ships inside the PyPI package `lifetimes` (Fader and Hardie's master data set). Its code is never imported: it
would need pandas. Each line holds customer id, date (yyyymmdd), number of CDs and dollar value.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from zoneinfo import ZoneInfo

from kizuna_demo.errors import StoryError

PURCHASES = 69_659
CUSTOMERS = 23_570
LAST_PURCHASE_IN_FILE = date(1998, 6, 30)
TOKYO = ZoneInfo("Asia/Tokyo")
NOON = time(12, 0, tzinfo=TOKYO)

_DATA_FILE = "CDNOW_master.txt"


@dataclass(frozen=True, slots=True)
class Purchase:
    """One line of the file, its date shifted.

    `order_id` is the line's number in the file (1 is the heading, so the first purchase is 2): the file repeats 1,774
    customer-days, so nothing else names a purchase.
    """

    order_id: str
    user_id: str
    bought_on: date
    discs: int
    amount: Decimal
    """US dollars, as in the file; 80 purchases cost nothing."""

    @property
    def bought_at(self) -> datetime:
        """Noon in Tokyo of that day."""
        return datetime.combine(self.bought_on, NOON)


def read_purchases(*, last_on: date) -> list[Purchase]:
    """All purchases in the file's order, dates moved by one constant so that the last one falls on `last_on`.

    Raises StoryError when the package that carries the file is not installed.
    """
    shift = last_on - LAST_PURCHASE_IN_FILE
    lines = data_file().read_text(encoding="ascii").splitlines()
    return [_purchase(number, line, shift=shift) for number, line in enumerate(lines, start=1) if number > 1 and line]


def data_file() -> Path:
    """Where the installed package keeps the file."""
    try:
        packaged = files("lifetimes") or []
    except PackageNotFoundError:
        packaged = []
    for path in packaged:
        if path.name == _DATA_FILE:
            return Path(str(path.locate()))
    raise StoryError(
        f"{_DATA_FILE} is missing: run `make install`, which installs the package lifetimes without its dependencies"
    )


def _purchase(number: int, line: str, *, shift: timedelta) -> Purchase:
    user_id, day, discs, amount = line.split()
    return Purchase(
        order_id=str(number),
        user_id=user_id,
        bought_on=date(int(day[:4]), int(day[4:6]), int(day[6:])) + shift,
        discs=int(discs),
        amount=Decimal(amount),
    )

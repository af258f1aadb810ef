"""Generated addresses: real municipalities, towns that do not exist in them, so nobody lives there."""

from dataclasses import dataclass
from random import Random

MUNICIPALITIES = (
    ("0600000", "北海道", "札幌市中央区"),
    ("0200000", "岩手県", "盛岡市"),
    ("9800000", "宮城県", "仙台市青葉区"),
    ("0100000", "秋田県", "秋田市"),
    ("9900000", "山形県", "山形市"),
    ("9600000", "福島県", "福島市"),
    ("3100000", "茨城県", "水戸市"),
    ("3700000", "群馬県", "高崎市"),
    ("2600000", "千葉県", "千葉市中央区"),
    ("1000000", "東京都", "千代田区"),
    ("1600000", "東京都", "新宿区"),
    ("1500000", "東京都", "渋谷区"),
    ("1540000", "東京都", "世田谷区"),
    ("1700000", "東京都", "豊島区"),
    ("1760000", "東京都", "練馬区"),
    ("1800000", "東京都", "武蔵野市"),
    ("1920000", "東京都", "八王子市"),
    ("2100000", "神奈川県", "川崎市川崎区"),
    ("2200000", "神奈川県", "横浜市西区"),
    ("2310000", "神奈川県", "横浜市中区"),
    ("2510000", "神奈川県", "藤沢市"),
    ("9200000", "石川県", "金沢市"),
    ("4000000", "山梨県", "甲府市"),
    ("5000000", "岐阜県", "岐阜市"),
    ("4600000", "愛知県", "名古屋市中区"),
    ("4640000", "愛知県", "名古屋市千種区"),
    ("5140000", "三重県", "津市"),
    ("5200000", "滋賀県", "大津市"),
    ("6000000", "京都府", "京都市下京区"),
    ("6040000", "京都府", "京都市中京区"),
    ("5300000", "大阪府", "大阪市北区"),
    ("5450000", "大阪府", "大阪市阿倍野区"),
    ("5600000", "大阪府", "豊中市"),
    ("5900000", "大阪府", "堺市堺区"),
    ("6500000", "兵庫県", "神戸市中央区"),
    ("6600000", "兵庫県", "尼崎市"),
    ("6700000", "兵庫県", "姫路市"),
    ("6300000", "奈良県", "奈良市"),
    ("6400000", "和歌山県", "和歌山市"),
    ("7000000", "岡山県", "岡山市北区"),
    ("7300000", "広島県", "広島市中区"),
    ("7600000", "香川県", "高松市"),
    ("7800000", "高知県", "高知市"),
    ("8100000", "福岡県", "福岡市中央区"),
    ("8120000", "福岡県", "福岡市博多区"),
    ("8500000", "長崎県", "長崎市"),
    ("8800000", "宮崎県", "宮崎市"),
    ("8900000", "鹿児島県", "鹿児島市"),
    ("9000000", "沖縄県", "那覇市"),
)
"""Postal code, prefecture, municipality. The code is Japan Post's for unlisted towns (以下に掲載がない場合)."""

TOWNS = tuple(
    first + second
    for first in ("絆", "架空", "花音", "星見", "朝凪", "夢見", "若竹野", "白樺野", "雲雀", "月見里")
    for second in ("台", "が丘", "町", "坂")
)
_BLOCKS, _LOTS, _HOUSES = 6, 25, 20


@dataclass(frozen=True, slots=True)
class Address:
    """A house in a town that does not exist."""

    postal_code: str
    prefecture: str
    city: str
    town: str
    numbers: tuple[int, int, int]
    """丁目, 番, 号."""

    @property
    def street(self) -> str:
        """As web forms hold it: 絆台1-2-3."""
        return self.town + "-".join(map(str, self.numbers))


def draw_address(random: Random) -> Address:
    """Any municipality, town and house, evenly."""
    postal_code, prefecture, city = random.choice(MUNICIPALITIES)
    numbers = (random.randint(1, _BLOCKS), random.randint(1, _LOTS), random.randint(1, _HOUSES))
    return Address(postal_code, prefecture, city, random.choice(TOWNS), numbers)

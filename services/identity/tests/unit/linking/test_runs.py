"""What a run as a whole promises: the same again, only what changed, never what a person kept apart, any input."""

import json
import subprocess
import sys

import pytest
from services.identity.tests.unit.linking.people import HANAKO, linked, pair_of, record, table

from identity_service.linking.engine import link
from identity_service.linking.results import LinkingEngineMissing, LinkingSettings, UnusableRecords

SETTINGS = LinkingSettings()
SURNAMES = ("佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "吉田")
GIVEN_NAMES = ("花子", "太郎", "美咲", "翔太", "陽子", "健一", "直樹", "由美", "和子", "誠", "恵子", "大輔", "久美子")


def base(persons: int) -> list[dict[str, str | None]]:
    """So many persons; every third has a second record, a customer of its own, with no mail and another telephone."""
    records: list[dict[str, str | None]] = []
    for number in range(persons):
        person = {
            "surname": SURNAMES[number % len(SURNAMES)],
            "given_name": GIVEN_NAMES[number % len(GIVEN_NAMES)],
            "birth_date": f"{1940 + number % 61}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
            "email": f"user{number}@example.jp",
            "phone": f"+8190{number:08d}",
            "town": f"町{number % 50}",
            "street": f"{number % 7}-{number % 31}-{number % 17}",
        }
        records.append(record(f"c{number:04d}", person))
        if number % 3 == 0:
            records.append(record(f"d{number:04d}", person, email=None, phone=f"+8180{number:08d}"))
    return records


def test_the_same_records_and_seed_give_the_same_result() -> None:
    records = base(240)
    first = link(table(records), settings=SETTINGS)
    again = link(table(reversed(records)), settings=SETTINGS)
    assert first.model["is_trained"]
    assert first.pairs == again.pairs
    assert json.dumps(first.model) == json.dumps(again.model)
    assert linked(first) == {(f"c{number:04d}", f"d{number:04d}") for number in range(0, 240, 3)}


def test_an_incremental_run_says_of_the_changed_customers_what_a_full_one_says() -> None:
    records = table(base(240))
    full = link(records, settings=SETTINGS)
    changed = frozenset({"c0003", "d0009", "c0001"})
    some = link(records, settings=SETTINGS, model=json.loads(json.dumps(full.model)), changed_customers=changed)
    of_changed = [pair for pair in full.pairs if changed & {pair.customer_id, pair.other_customer_id}]
    assert [(pair.customer_id, pair.other_customer_id, pair.outcome) for pair in some.pairs] == [
        (pair.customer_id, pair.other_customer_id, pair.outcome) for pair in of_changed
    ]
    assert [pair.score for pair in some.pairs] == pytest.approx([pair.score for pair in of_changed])
    assert linked(some) == {("c0003", "d0003"), ("c0009", "d0009")}
    assert some.figures.pairs_compared < full.figures.pairs_compared
    assert some.model == full.model


def test_what_a_person_kept_apart_stays_apart_also_through_a_third() -> None:
    records = table([record("a", HANAKO), record("b", HANAKO, email=None), record("c", HANAKO, phone=None)])
    assert len(linked(link(records, settings=SETTINGS))) == 3
    result = link(records, settings=SETTINGS, kept_apart={("b", "a")})
    assert pair_of(result, "a", "b") is None
    assert len(linked(result)) == 1
    assert [pair.contradiction for pair in result.pairs if pair.outcome == "review"] == ["kept apart by a person"]


def test_records_of_one_customer_are_not_paired_with_each_other() -> None:
    records = [record("a", HANAKO), record("a", HANAKO, email=None), record("b", HANAKO, phone=None)]
    result = link(table(records), settings=SETTINGS)
    assert [(pair.customer_id, pair.other_customer_id) for pair in result.pairs] == [("a", "b")]
    assert result.figures.customers == 2


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count: int) -> None:
    result = link(table([record("a", HANAKO)][:count]), settings=SETTINGS)
    assert result.pairs == ()
    assert (result.figures.records, result.figures.pairs_compared) == (count, 0)
    assert result.figures.precision_estimate is None
    assert result.figures.recall_estimate is None
    assert not result.model["is_trained"]


def test_records_that_say_nothing_of_the_person_link_nobody() -> None:
    result = link(table(record(f"c{number}", {}) for number in range(300)), settings=SETTINGS)
    assert result.pairs == ()


def test_a_number_of_a_crowd_says_nothing() -> None:
    crowd = [record(f"c{number}", {"phone": "+81312345678"}) for number in range(60)]
    assert link(table(crowd), settings=LinkingSettings(lower=0.001, upper=0.01)).figures.pairs_compared == 0


def test_unusable_records_are_named() -> None:
    records = table([record("a", HANAKO), record("a", HANAKO)])
    with pytest.raises(UnusableRecords, match="record_id a/0 is there 2 times"):
        link(records, settings=SETTINGS)
    with pytest.raises(UnusableRecords, match="lack the columns phone"):
        link(records.drop_columns(["phone"]), settings=SETTINGS)


def test_a_model_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="train again"):
        link(table([record("a", HANAKO)]), settings=SETTINGS, model={"version": 0})


@pytest.mark.parametrize(
    ("master", "sentence"),
    [(None, "needs spark_master"), ("local[2]", "needs the package pyspark")],
    ids=["where", "how"],
)
def test_spark_says_what_it_lacks(master: str | None, sentence: str) -> None:
    with pytest.raises(LinkingEngineMissing, match=sentence):
        link(table([record("a", HANAKO)]), settings=LinkingSettings(engine="spark", spark_master=master))


def test_importing_the_engine_is_cheap() -> None:
    program = (
        "import sys, identity_service.linking.engine as _; print({'splink', 'duckdb', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

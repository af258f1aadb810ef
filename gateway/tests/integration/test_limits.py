"""What one operation may ask for."""

import time

import pytest
from fake_services import customer
from gateway_harness import Gateway
from gateway_queries import VIEW

ID = customer(1)


def refused(answer_body: dict) -> bool:
    return [error["extensions"]["code"] for error in answer_body.get("errors", [])] == ["LIMIT_EXCEEDED"]


async def test_the_view_and_the_schema_are_well_within(gateway: Gateway) -> None:
    from graphql import get_introspection_query

    assert "errors" not in (await gateway.ask(VIEW, {"id": ID})).body
    assert "errors" not in (await gateway.ask(get_introspection_query(input_value_deprecation=True))).body


async def test_fifty_views_at_once_are_too_much(gateway: Gateway) -> None:
    whole = VIEW[VIEW.index("{", VIEW.index("customer(id")) : VIEW.rindex("}")]
    query = "query($n: Int!) { customers(first: $n) { edges { node " + whole + " } } }"
    assert "errors" not in (await gateway.ask(query, {"n": 20})).body
    assert "errors" not in (await gateway.ask(query, {"n": 20})).body
    calls = len(gateway.fake.calls)
    assert not refused((await gateway.ask(query, {"n": 50})).body)
    deep = query.replace("timeline(first: 20)", "timeline(first: $n)")
    assert refused((await gateway.ask(deep, {"n": 100})).body)
    assert refused((await gateway.ask(deep.replace("$n: Int!", "$n: Int = 100"))).body)
    assert len(gateway.fake.calls) == calls + 9


async def test_what_was_said_of_traits_counts_by_customers_and_words(gateway: Gateway) -> None:
    query = """query($people: Int!, $words: Int!) { customers(first: $people) { edges { node {
      trait(name: "city", first: $words) { value observations { edges { node { source } } } }
      nextCategories { lift } } } } }"""
    assert "errors" not in (await gateway.ask(query, {"people": 50, "words": 20})).body
    calls = len(gateway.fake.calls)
    assert refused((await gateway.ask(query, {"people": 100, "words": 100})).body)
    assert len(gateway.fake.calls) == calls == 3


async def test_aliases_are_counted(gateway: Gateway) -> None:
    query = "{" + " ".join(f'c{number}: customer(id: "{ID}") {{ id }}' for number in range(31)) + "}"
    assert refused((await gateway.ask(query)).body)


async def test_levels_are_counted_also_through_fragments(gateway: Gateway) -> None:
    flat = "query { customers { edges { node { timeline { edges { node { id } } } } } } }"
    assert "errors" not in (await gateway.ask(flat)).body
    chain = "".join(f"fragment F{n} on Query {{ customers {{ edges {{ node {{ ...G{n} }} }} }} }} " for n in range(1))
    deep = "{ a { a { a { a { a { a { a { a { a { a { a { a { a } } } } } } } } } } } } }"
    assert refused((await gateway.ask(deep)).body)
    assert (await gateway.ask("{ ...F0 } " + chain)).body["errors"]


async def test_a_document_of_thousands_of_tokens_is_not_read(gateway: Gateway) -> None:
    answer = await gateway.ask("{" + " __typename" * 3000 + "}")
    assert answer.body["errors"][0]["extensions"]["code"] in {"GRAPHQL_PARSE_FAILED", "LIMIT_EXCEEDED"}
    assert refused((await gateway.ask("{ __typename } #" + "x" * 70_000)).body)


@pytest.mark.parametrize(
    "query",
    [
        "{" + " __typename" * 499 + "}",
        "{ customer(id: \"x\") {" + " id" * 490 + "} }",
        # every fragment doubles the one before: 2^40 when followed naively
        "{ customer(id: \"x\") { ...F0 } } " + " ".join(
            f"fragment F{n} on Customer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40)
        ) + " fragment F40 on Customer { id }",
        "{ customer(id: \"x\") { ...A } } fragment A on Customer { ...B } fragment B on Customer { ...A }",
        "{ " * 900 + " }" * 900,
        "query(" + " ".join(f"$v{n}: Int" for n in range(400)) + ") { __typename }",
        "{ __type(name: \"Query\") { fields { type { fields { type { fields { type { fields { name } } } } } } } } }",
    ],
)  # fmt: skip
async def test_no_document_keeps_the_gateway_busy(gateway: Gateway, query: str) -> None:
    begin = time.process_time()  # not by the clock: other programs may keep the machine busy
    answer = await gateway.ask(query)
    assert time.process_time() - begin < 1.5
    assert answer.status == 200

"""R7 for the graph: whatever operation is sent, with services that answer, refuse or are down, the answer is data or
errors with a code; never a 500, never what an exception inside says, and nothing of what the limits forbid is done."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import graphql
import pytest
from fake_services import answering, customer, saying
from gateway_harness import Answer, Gateway
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import Mode, mutations, queries

from gateway.errors import Code
from gateway.settings import Settings

SDL = (Path(__file__).parents[2] / "schema.graphql").read_text(encoding="utf-8")
SCHEMA = graphql.build_schema(SDL)
SERVICES = ("identity", "profile", "campaign", "delivery", "survey")
CODES = set(get_args(Code)) - {"INTERNAL"}
"""INTERNAL is an exception nobody foresaw."""
INSIDE = ("Traceback", 'File "', "Error(", "object at 0x", " line ", ".py", "msgspec", "NoneType")
LIMITS = {name: field.default for name, field in Settings.model_fields.items()}

TROUBLES: dict[str, Callable[[], Any]] = {
    **{str(status): answering(status) for status in (401, 403, 404, 409, 410, 412, 422, 429, 500, 503)},
    **{repr(content): saying(content) for content in (b"<html>", b"", b"{}", b"[]", b"null", b'{"customers": [{}]}')},
}
Weather = dict[str, str]
"""Service -> its trouble; a service that is not named answers."""
_TROUBLED = st.dictionaries(st.sampled_from(SERVICES), st.sampled_from(sorted(TROUBLES)), max_size=5)
WEATHER: st.SearchStrategy[Weather] = st.one_of(st.just({}), _TROUBLED)

HOSTILE_TEXTS = ("", "*", "\x00", "\ud800", "%00/../..", "'; DROP TABLE customers --", "長" * 600, "1e999", "{}", "$a")
TEXT = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.text(max_size=20))
KNOWN_IDS = [customer(number) for number in (0, 1, 29, 99)]
NUMBERS = st.one_of(st.integers(), st.sampled_from([0, 1, 100, 101, -1, 2**31, 2**63, 10**400]), st.floats())
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, st.sampled_from(KNOWN_IDS)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=8,
)


def literal(value: Any) -> graphql.ValueNode:
    """A value as it stands in a document."""
    if isinstance(value, dict):
        members = [
            graphql.ObjectFieldNode(name=graphql.NameNode(value=f"f{number}"), value=literal(each))
            for number, each in enumerate(value.values())
        ]
        return graphql.ObjectValueNode(fields=tuple(members))
    if isinstance(value, list):
        return graphql.ListValueNode(values=tuple(literal(each) for each in value))
    if isinstance(value, bool):
        return graphql.BooleanValueNode(value=value)
    if isinstance(value, int):
        return graphql.IntValueNode(value=str(value))
    return graphql.NullValueNode() if value is None else graphql.StringValueNode(value=str(value))


def texts(*good: str) -> st.SearchStrategy[graphql.ValueNode]:
    """These texts more often than any others, without half characters: no document holds them."""
    whole = TEXT.filter(lambda text: "\ud800" not in text)
    return st.one_of(st.sampled_from(good), st.sampled_from(good), whole).map(literal)


DAYS = ("2026-11-20", "2026-11-20T03:00:00+09:00")
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "ID": texts(*KNOWN_IDS),
    "Int": st.one_of(st.integers(1, 20), st.sampled_from([0, 101, -1, 2**31 - 1])).map(literal),
    "Date": texts(*DAYS),
    "DateTime": texts(*DAYS),
    "JSON": JSON.map(literal),
}
QUERIES = queries(SDL, custom_scalars=SCALARS)
CHANGES = mutations(SDL, custom_scalars=SCALARS)


class Fuzzer:
    """Sends generated operations, one after the other, through the gateway's own loop, and judges the answers."""

    def __init__(self, gateway: Gateway, examples: int) -> None:
        self.gateway = gateway
        self.examples = examples
        self.outcomes: Counter[str] = Counter()

    async def run(self, cases: st.SearchStrategy[Any], judge: Callable[[Any], object]) -> Counter[str]:
        """Judge as many cases as there are examples; deterministic: the same schema gives the same cases."""
        self._loop = asyncio.get_running_loop()

        @settings(
            max_examples=self.examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(cases)
        def judge_all(case: Any) -> None:
            judge(case)

        await asyncio.to_thread(judge_all)
        return self.outcomes

    def send(self, query: str, weather: Weather, variables: Any = None) -> Answer:
        """Send one operation in this weather; the answer is a good one, whatever it says."""
        self.gateway.fake.failures = {service: TROUBLES[trouble] for service, trouble in weather.items()}
        self.gateway.fake.calls.clear()
        asking = asyncio.run_coroutine_threadsafe(self._post(query, variables), self._loop)
        answer = asking.result(60)
        self._judge(answer, query)
        return answer

    async def _post(self, query: str, variables: Any) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.gateway.token()}",
            "Content-Type": "application/json",
            "Accept": "application/graphql-response+json",
        }
        content = json.dumps({"query": query, "variables": variables}).encode()
        async with self.gateway.session.post(f"{self.gateway.url}/graphql", data=content, headers=headers) as response:
            assert response.status in {200, 400}, (response.status, query, variables)
            return Answer(response.status, json.loads(await response.text()), response.headers)

    def _judge(self, answer: Answer, query: str) -> None:
        assert answer.body.keys() <= {"data", "errors"}, answer.body
        for error in answer.body.get("errors", ()):
            code, message = error["extensions"]["code"], error["message"]
            assert code in CODES, (error, query)
            assert error.get("path") or answer.status == 400, error
            assert not any(word in message for word in INSIDE), (error, query)
            self.outcomes[code] += 1
        said = answer.body.get("data") or {}
        self.outcomes["data"] += any(value is not None for value in said.values())
        if answer.status == 400:
            assert answer.body["errors"]
            assert not answer.body.get("data")
            assert self.gateway.fake.calls == [], query
        else:
            assert not over_the_limits(query), query


def over_the_limits(query: str) -> set[str]:
    """The limits that a document without fragments passes."""
    counted: Counter[str] = Counter()
    names: Counter[str] = Counter()
    lexer = graphql.Lexer(graphql.Source(query))
    while lexer.advance().kind is not graphql.TokenKind.EOF:
        counted["max_tokens"] += 1

    def look_below(node: Any, depth: int) -> None:
        for selection in node.selection_set.selections if node.selection_set else ():
            counted["max_fields"] += 1
            names[(selection.alias or selection.name).value] += 1
            counted["max_aliases"] += selection.alias is not None
            counted["max_depth"] = max(counted["max_depth"], depth)
            look_below(selection, depth + 1)

    for operation in graphql.parse(query).definitions:
        look_below(operation, 1)
    counted["max_pairs"] = sum(number * (number - 1) // 2 for number in names.values())
    counted["max_query_bytes"] = len(query.encode())
    return {name for name, number in counted.items() if number > LIMITS[name]}


@pytest.fixture(params=[pytest.param(25, id="some"), pytest.param(150, id="many", marks=pytest.mark.slow)])
def fuzzer(gateway: Gateway, request: pytest.FixtureRequest) -> Fuzzer:
    return Fuzzer(gateway, request.param)


async def test_any_query_is_answered(fuzzer: Fuzzer) -> None:
    outcomes = await fuzzer.run(st.tuples(QUERIES, WEATHER), lambda case: fuzzer.send(*case))
    assert outcomes["data"] > fuzzer.examples / 4, outcomes


async def test_any_change_is_made_or_refused(fuzzer: Fuzzer) -> None:
    outcomes = await fuzzer.run(st.tuples(CHANGES, WEATHER), lambda case: fuzzer.send(*case))
    assert {"data", "BAD_USER_INPUT", "UNAVAILABLE"} <= outcomes.keys(), outcomes


async def test_nothing_is_changed_by_services_that_are_down(fuzzer: Fuzzer) -> None:
    def judge(query: str) -> None:
        answer = fuzzer.send(query, dict.fromkeys(SERVICES, "503"))
        if answer.status == 200:
            assert set(answer.data.values()) == {None}, (answer.body, query)
            assert {error["path"][0] for error in answer.body["errors"]} == set(answer.data)

    outcomes = await fuzzer.run(CHANGES, judge)
    assert outcomes["UNAVAILABLE"], outcomes


@pytest.mark.parametrize("operations", [queries, mutations])
async def test_what_breaks_the_schema_is_refused_as_a_whole(fuzzer: Fuzzer, operations: Any) -> None:
    def judge(query: str) -> None:
        assert fuzzer.send(query, {}).status == 400, query

    outcomes = await fuzzer.run(operations(SDL, custom_scalars=SCALARS, mode=Mode.NEGATIVE), judge)
    assert outcomes["GRAPHQL_VALIDATION_FAILED"], outcomes


async def test_nothing_beyond_the_limits_is_done(fuzzer: Fuzzer) -> None:
    def judge(case: tuple[int, int, int, int]) -> None:
        levels, fields, aliases, first = case
        below = " id" * fields + "".join(f" a{number}: id" for number in range(aliases)) + " id"
        for _ in range(levels):
            below = f" decisions(first: {first}) {{ edges {{ node {{ customer {{{below} }} }} }} }}"
        query = f'{{ customer(id: "{KNOWN_IDS[1]}") {{{below} }} }}'
        objects = first**levels
        is_large = bool(over_the_limits(query)) or objects > LIMITS["max_cost"]
        answer = fuzzer.send(query, {})
        if is_large or objects < LIMITS["max_cost"] / 10:  # between the two, edges and nodes count, too
            assert answer.status == (400 if is_large else 200), query
        assert {error["extensions"]["code"] for error in answer.body.get("errors", ())} <= {"LIMIT_EXCEEDED"}
        fuzzer.outcomes["large" if is_large else "small"] += 1

    sizes = st.one_of(st.just(0), st.just(0), st.integers(0, 600))
    cases = st.tuples(st.integers(0, 4), sizes, st.integers(0, 40), st.sampled_from([1, 2, 100]))
    outcomes = await fuzzer.run(cases, judge)
    assert {"large", "small"} <= outcomes.keys(), outcomes


async def test_a_document_with_a_slip_is_answered_or_refused(fuzzer: Fuzzer) -> None:
    def judge(case: tuple[str, int, int, str, Weather]) -> None:
        query, start, length, put, weather = case
        start %= len(query)
        fuzzer.send(query[:start] + put + query[start + length :], weather)

    slips = st.sampled_from(["", "{", "}", "(", '"', "!", "@skip(if: true)", "...", "#", "\x00", "\ufeff", "é", "$"])
    cases = st.tuples(st.one_of(QUERIES, CHANGES), st.integers(0, 10_000), st.integers(0, 3), slips, WEATHER)
    outcomes = await fuzzer.run(cases, judge)
    assert outcomes["GRAPHQL_PARSE_FAILED"], outcomes


ROOT_FIELDS = [
    (operation, name, field.args)
    for operation, root in (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type))
    for name, field in (root.fields if root else {}).items()
    if field.args
]


@st.composite
def _given_by_variables(draw: st.DrawFn) -> tuple[str, Any]:
    """An operation that gives all arguments of a root field by variables; and variables, good ones or anything."""
    operation, name, arguments = draw(st.sampled_from(ROOT_FIELDS))
    declared = ", ".join(f"${each}: {argument.type}" for each, argument in arguments.items())
    passed = ", ".join(f"{each}: ${each}" for each in arguments)
    good = st.fixed_dictionaries({each: _value(argument.type) for each, argument in arguments.items()})
    query = f"{operation} ({declared}) {{ {name}({passed}) {{ __typename }} }}"
    return query, draw(st.one_of(good, good, JSON))


def _value(kind: Any) -> st.SearchStrategy[Any]:
    """Values of about this type: each part is a good one or anything."""
    named = graphql.get_nullable_type(kind)
    if isinstance(named, graphql.GraphQLInputObjectType):
        parts = st.fixed_dictionaries({name: _value(field.type) for name, field in named.fields.items()})
        return st.one_of(parts, parts, JSON)
    if isinstance(named, graphql.GraphQLList):
        return st.one_of(st.lists(_value(named.of_type), max_size=3), JSON)
    known: dict[str, st.SearchStrategy[Any]] = {
        "ID": st.sampled_from(KNOWN_IDS),
        "Int": st.integers(-1, 101),
        "Float": st.floats(0, 1),
        "Boolean": st.booleans(),
        "JSON": JSON,
    }
    return st.one_of(known.get(named.name, TEXT), known.get(named.name, TEXT), st.none(), TEXT, NUMBERS)


async def test_any_variables_are_taken_or_refused(fuzzer: Fuzzer) -> None:
    def judge(case: tuple[tuple[str, Any], Weather]) -> None:
        (query, variables), weather = case
        fuzzer.send(query, weather, variables)

    outcomes = await fuzzer.run(st.tuples(_given_by_variables(), WEATHER), judge)
    assert {"data", "BAD_USER_INPUT"} <= outcomes.keys(), outcomes

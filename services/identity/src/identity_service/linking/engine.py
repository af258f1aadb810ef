"""Link the customers that are probably one person. The way into this package."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from identity_service.linking.agreements import field_agreements
from identity_service.linking.clusters import Clusters, Edge, strongest_first
from identity_service.linking.comparisons import Trait, person_traits
from identity_service.linking.contradictions import Contradictions
from identity_service.linking.estimates import estimate
from identity_service.linking.model import Model, starting_model
from identity_service.linking.preparation import PreparedRecords, prepare
from identity_service.linking.results import LinkingFigures, LinkingResult, LinkingSettings, ScoredPair
from identity_service.linking.scoring import ComparedPair, Scored, score

if TYPE_CHECKING:
    import pyarrow as pa

POSSIBLE = 0.1
"""Two records with this chance of being one person do not contradict each other, however much they differ."""

CustomerPair = tuple[str, str]


@dataclass(frozen=True)
class _Judgement:
    """What becomes of two customers."""

    edge: Edge
    is_link: bool
    contradiction: str | None


def link(
    records: "pa.Table",
    *,
    settings: LinkingSettings,
    model: Mapping[str, Any] | None = None,  # JSON of an earlier run
    changed_customers: frozenset[str] | None = None,
    kept_apart: Set[CustomerPair] = frozenset(),
) -> LinkingResult:
    """Score the customers of `records` against each other and say which to link and which to review.

    `records`: record_id, customer_id, source_id, `results.PERSON_FIELDS` and `settings.number_fields`, all strings or
    null. Several records may belong to one customer. `model` of an earlier result saves the training; with
    `changed_customers` only pairs that one of them is in are looked at. `kept_apart` are pairs of customers, in any
    order, that must not be joined (rejected in review, separated by a person). The same input gives the same result.
    Raises UnusableRecords, LinkingEngineMissing, ValueError.
    """
    traits = person_traits(settings.number_fields)
    prepared = prepare(records, changed_customers=changed_customers, number_fields=settings.number_fields)
    start = Model.from_json(model) if model is not None else starting_model(traits, records=len(prepared.rows))
    scored = score(prepared, traits=traits, model=start, may_train=model is None, settings=settings)
    best = _best_of_customers(scored.pairs, prepared, apart=_both_ways(kept_apart))
    compared = {(pair.record, pair.other): pair for pair in scored.pairs}
    contradicts = _contradictions(prepared, settings, scored, apart=_both_ways(kept_apart))
    judgements = _judge(best, prepared, settings, contradicts)
    pairs = tuple(
        _scored_pair(judgement, compared[judgement.edge.record, judgement.edge.other], prepared, traits)
        for judgement in judgements
    )
    linked = [pair.score for pair in pairs if pair.outcome == "link"]
    figures = LinkingFigures(
        records=len(prepared.rows),
        customers=len(set(prepared.customer_ids)),
        pairs_compared=scored.compared,
        linked=len(linked),
        to_review=len(pairs) - len(linked),
        **estimate(linked, [edge.score for edge in best], prepared, scored),
    )
    return LinkingResult(pairs=pairs, figures=figures, model=scored.model.to_json())


def _both_ways(pairs: Set[CustomerPair]) -> set[CustomerPair]:
    return {*pairs, *((other, one) for one, other in pairs)}


def _best_of_customers(
    pairs: tuple[ComparedPair, ...], prepared: PreparedRecords, *, apart: Set[CustomerPair]
) -> list[Edge]:
    """The best pair of records of each two customers, strongest first, without those that are kept apart."""
    best: dict[CustomerPair, Edge] = {}
    for pair in pairs:
        customers = prepared.customer_ids[pair.record], prepared.customer_ids[pair.other]
        if customers[0] == customers[1] or customers in apart:
            continue
        key = min(customers), max(customers)
        if key not in best or best[key].score < pair.score:
            best[key] = Edge(pair.record, pair.other, pair.score)
    return strongest_first(best.values())


def _contradictions(
    prepared: PreparedRecords, settings: LinkingSettings, scored: Scored, *, apart: Set[CustomerPair]
) -> Callable[[int, int], str | None]:
    """Why two records must not come into one cluster. What they have in common may outweigh their differences."""
    contradictions = Contradictions.by(scored.model, settings.number_fields)
    possible = {frozenset((pair.record, pair.other)) for pair in scored.pairs if pair.score >= POSSIBLE}

    def contradicts(record: int, other: int) -> str | None:
        if apart and (prepared.customer_ids[record], prepared.customer_ids[other]) in apart:
            return "kept apart by a person"
        why = contradictions.between(prepared.forms[record], prepared.forms[other])
        return why if why and frozenset((record, other)) not in possible else None

    return contradicts


def _judge(
    edges: list[Edge],
    prepared: PreparedRecords,
    settings: LinkingSettings,
    contradicts: Callable[[int, int], str | None],
) -> list[_Judgement]:
    """Link from the strongest pair down, as long as no cluster comes to contradict itself; review what is left above
    `lower`."""
    clusters = Clusters.of_customers(prepared.customer_ids, contradicts)
    judgements = []
    for edge in edges:
        if edge.score < settings.lower:
            break
        if edge.score < settings.upper:
            judgements.append(_Judgement(edge, is_link=False, contradiction=None))
            continue
        why = clusters.join(edge.record, edge.other)
        judgements.append(_Judgement(edge, is_link=why is None, contradiction=why))
    return judgements


def _scored_pair(
    judgement: _Judgement, pair: ComparedPair, prepared: PreparedRecords, traits: tuple[Trait, ...]
) -> ScoredPair:
    record, other = pair.record, pair.other
    if prepared.customer_ids[record] > prepared.customer_ids[other]:
        record, other = other, record
    return ScoredPair(
        customer_id=prepared.customer_ids[record],
        other_customer_id=prepared.customer_ids[other],
        score=pair.score,
        outcome="link" if judgement.is_link else "review",
        contradiction=judgement.contradiction,
        fields=field_agreements(
            prepared.rows[record], prepared.rows[other], traits=traits, levels=pair.levels, weights=pair.weights
        ),
    )

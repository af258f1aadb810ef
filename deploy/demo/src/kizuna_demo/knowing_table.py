"""The table's rows of the chapter "What do we know, right now?"."""

from collections.abc import Iterator

from rich.markup import escape

from kizuna_demo.platform import Json

Row = tuple[str, str]
_UNITS = {"event": "events", "trait": "traits", "segment": "members"}
_FEW = 3
"""So many traits are named; more are counted."""


def knowing_sections(known: Json | None) -> Iterator[Iterator[Row]]:
    """The chapter's rows in groups; none of a story told before it was written."""
    if known is not None:
        for show in (_values, _segments, _signs, _given, _departments, _outside):
            yield show(known)


def _values(known: Json) -> Iterator[Row]:
    values, example = known["values"], known["values"]["example"]
    fifths = " · ".join(values["monetary_fifths"].values())
    yield "RFM", f"fifths of what {values['buyers']:,} paid: {fifths}; {values['best_in_all']:,} are 5-5-5"
    states = " · ".join(f"{one['state']} {one['customers']:,}" for one in values["lifecycle"])
    yield "lifecycle", f"{states} (all {values['everybody']:,})"
    genres = " · ".join(f"{title} {count:,}" for title, count in values["favourite_genres"].items())
    yield (
        "computed",
        f"favourite genre {genres}; {values['advocates']:,} advocates; presets {', '.join(values['presets'])}",
    )
    if example:
        missing = f"{example['next_rank']['missing']} points to {example['next_rank']['name']}"
        yield "nearly there", f"{example['user_id']} ({example['rank']}, {example['points']} points): {missing}"


def _segments(known: Json) -> Iterator[Row]:
    segments = known["segments"]
    yield "finer segments", " · ".join(f"{one['name']} {one['size']:,}" for one in segments["sizes"])
    tried, both = segments["preview"], segments["overlap"]
    interval = f"{tried['low']:,} to {tried['high']:,} of {tried['total']:,}, 95%"
    yield "a preview", f"about {tried['count']:,} ({interval}); counted: {tried['exact']:,}"
    yield (
        "overlap",
        f"{both['a']} and {both['b']}: {both['both']:,} in both, {both['onlyA']:,} + {both['onlyB']:,} in one",
    )


def _signs(known: Json) -> Iterator[Row]:
    signs, example = known["signs"], known["signs"]["example"]
    share = f"{signs['in_a_situation']:,} of {signs['customers']:,} ({signs['share']:.1%})"
    yield "in a situation", f"{share}; the essays report {signs['reference_share']:.0%} of a base that is watched"
    told = signs["expected"]
    counts = (
        f"{one['name']} {one['customers']:,}" + (f" (told of {told[one['key']]:,})" if one["key"] in told else "")
        for one in signs["signs"]
    )
    yield "signs", " · ".join(counts)
    seen = ", ".join(f"{sign['name']} ({sign['strength']})" for sign in example["signs"])
    remark = example["remark"]
    said = f"said at {remark['site']}: 「{escape(remark['text'])}」 ({remark['source_id']})"
    yield "for example", f"{example['user_id']}, {example['rank']}, {example['lifecycle']}, {said}: {seen}"


def _given(known: Json) -> Iterator[Row]:
    relatives, following = known["relatives"], known["next_category"]
    soon = f"{relatives['within_days']} within {relatives['ahead_days']} days (of {relatives['expected']} told)"
    refused = f"for {relatives['other_purpose']}: {_refusal(relatives['refused'])}"
    yield "spouses' birthdays", f"{relatives['given']} for {relatives['purpose']}, {soon}; {refused}"
    lifts = {(one["from_category"], one["to_category"]): one for one in following["lifts"]}
    pair = lifts.get((following["from"], following["to"]))
    measured = f"lift {pair['lift']:.2f}" if pair else "no lift"
    by_hand = f"by hand {following['expected_lift']:.2f}, in truth {following['true_lift']:.2f}"
    led = f"offered to {following['led']} of {following['without']} who lack it"
    orders = f"{following['orders']:,} simulated orders of {following['customers']:,}"
    yield "bought next", f"{following['from']} -> {following['to']}: {measured} ({by_hand}; {orders}); {led}"


def _refusal(refused: Json) -> str:
    return f"HTTP {refused['status']} {escape(refused['detail'])}"


def _departments(known: Json) -> Iterator[Row]:
    departments = known["departments"]
    views, used, circulation = (departments[name] for name in ("views", "used", "circulation"))
    for department in ("advertising", "crm"):
        yield f"{department} sees of {views['user_id']}", _view(views[department])
    [segment] = [one for one in circulation["segments"] if one["key"] == used["segment"]]
    drawn = f"{segment['department']}'s {segment['name']}, drawn from {', '.join(segment['drawn_from'])}"
    yield "advertising addresses", f"{used['addressed']:,} of {drawn}, which it does not see"
    given = (one for one in circulation["given"] if one["kind"] == "event" and one["department"])
    yield "events given", " · ".join(f"{one['department']} {one['count']:,}" for one in given)
    others = (one for one in circulation["used"] if one["giver"] and one["giver"] != one["reader"])
    counts = (f"{one['reader']} <- {one['giver']} {_UNITS[one['kind']]} {one['count']:,}" for one in others)
    yield "used by others", " · ".join(counts)
    yield from _results(circulation["results"])


def _view(view: Json) -> str:
    traits = ", ".join(view["traits"]) if len(view["traits"]) <= _FEW else str(len(view["traits"]))
    purchases = "rank and purchases" if view["are_purchases_shown"] else "no rank, no purchases"
    concluded = f"segments {len(view['segments'])} · signs {len(view['signs'])} · remarks {view['remarks']}"
    return (
        f"traits {traits} · {purchases} · {concluded} · events {view['events']}, of {', '.join(view['of_departments'])}"
    )


def _results(results: Json | None) -> Iterator[Row]:
    if results is None:
        return
    parts = (
        f"{results[name]['events']:,} {words}"
        for name, words in (
            ("messages_sent", "messages"),
            ("links_clicked", "clicks"),
            ("purchases", "purchases: who buys leaves it"),
        )
    )
    yield f"result of {results['key']}", f"{results['members']:,} members still in it: {', '.join(parts)}"


def _outside(known: Json) -> Iterator[Row]:
    bought, export = known["outside"]["bought"], known["outside"]["export"]
    yield (
        "bought data",
        f"{bought['cells']} cells about segments until {bought['expires_at'][:10]}: {bought['hypothesis']}",
    )
    yield "a small cell", _refusal(bought["refused"])
    out = f"{export['published']:,} of {export['customers']:,} customers in {export['cells']:,} kinds of lines"
    kept = f"{export['suppressed']:,} ({export['suppressed_share']:.1%}) suppressed"
    yield "anonymised export", f"{out}, each of {export['k_reached']} or more (k {export['k']}); {kept}"

"""The table at the end of the story."""

from collections.abc import Iterator
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table

from kizuna_demo.cdnow import TOKYO
from kizuna_demo.figures import Figures, money
from kizuna_demo.knowing_table import Row, knowing_sections
from kizuna_demo.platform import Json


def show_table(figures: Figures, console: Console) -> None:
    """Print the figures, the addresses to open and the query to paste."""
    table = Table(title="Once round the loop", box=box.SIMPLE_HEAD, show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    shown = [show(figures) for show in (_base, _who_is_this, _structure, _campaign, _voice)]
    for section in (*shown, *knowing_sections(figures.get("what_we_know")), _addresses(figures)):
        for name, text in section:
            table.add_row(name, text)
        table.add_section()
    console.print(table)
    console.print("Paste this at GraphiQL:", style="bold")
    for query in _queries(figures):
        console.print(query, markup=False, highlight=False, soft_wrap=True)


def _queries(figures: Figures) -> Iterator[str]:
    yield figures["query"]
    if "what_we_know" in figures:  # not told before that chapter was written
        yield figures["what_we_know"]["query"]


def _base(figures: Figures) -> Iterator[Row]:
    events, customers, purchases, check = (figures[name] for name in ("events", "customers", "purchases", "check"))
    told = f"{events['told']:,} events + {events['permissions']:,} opt-ins / {events['on_timelines']:,}"
    yield "accepted / on timelines", f"{told} after loading"
    at_the_door = f"{events['accepted']:,} accepted, {events['duplicates']:,} repeated, {events['rejected']:,} rejected"
    yield "at the front door by now", at_the_door
    yield "on timelines by now", f"{events['on_timelines_at_the_end']:,}, with the journey's mails, clicks, answers"
    yield "customers of the shop", f"{customers['all']:,}, known {customers['known']:,}"
    everybody = f"{customers['linked']:,} ({customers['linked_share']:.1%}) of everybody, lists included"
    yield "linked", f"{everybody}, by two or more kinds of identifiers"
    counted = f"{purchases['of_the_file']:,} of the file + {purchases['simulated']:,} simulated"
    amounts = f"{money(purchases['revenue']):,.2f} + {money(purchases['revenue_simulated']):,.2f}"
    yield "purchases", f"{counted}; {amounts} {purchases['currency']}"
    verdict = "all equal" if check["differences"] == 0 else f"[red]{check['differences']:,} differ[/red]"
    yield "held against the file", f"recency, frequency, monetary of {check['customers']:,} customers: {verdict}"


def _who_is_this(figures: Figures) -> Iterator[Row]:
    who = figures.get("who_is_this")
    if who is None:  # told before this chapter was written
        return
    linking, truth, coverage = who["linking"], who["truth"], who["coverage"]
    for one in who["lists"]:
        broken = "".join(f"; line {line['line']}: {line['detail']}" for line in one["rejected_lines"])
        yield f"list {one['source']}", f"{one['accepted']:,} lines taken, {one['rejected']:,} not{broken}"
    members = f"{who['members_under_partners_ids']:.1%} of the members"
    synced = f"{who['id_syncs']['accepted']:,} by hashed e-mail addresses, in signed webhooks"
    yield "ids of a partner", f"{synced}; with those told before {members}"
    compared = f"{linking['pairs_compared']:,} pairs of {linking['records']:,} records compared"
    yield "linked by likeness", f"{linking['linked']:,}, in review {linking['to_review']:,} ({compared})"
    yield (
        "estimated / in truth",
        " · ".join(
            f"{name} {_percent(linking[f'{name}_estimate'])} / {_percent(truth[name])}"
            for name in ("precision", "recall")
        ),
    )
    yield "decided by a person", " · ".join(_decisions(who)) or "nothing"
    counted_at = datetime.fromisoformat(coverage["computed_at"])
    too_early = counted_at < datetime.fromisoformat(linking["finished_at"])
    outside = f"{coverage['linked_outside']:,} ({coverage['linked_outside_share']:.1%}) linked to an outside id"
    everybody = (
        f"{coverage['customers']:,}: {coverage['known']:,} known, {coverage['anonymous']:,} anonymous; {outside}"
    )
    shown_at = f"{counted_at.astimezone(TOKYO):%H:%M:%S}"
    yield f"everybody, at {shown_at}", everybody + ("; counted before all were linked" if too_early else "")


def _decisions(who: Json) -> Iterator[str]:
    if who["accepted"]:
        yield f"a candidate of {who['accepted']['score']:.3f} accepted"
    if who["undone"]:
        truth = "two people in truth" if who["undone_was_wrong"] else "as an example: it was right"
        yield f"a link of {who['undone']['score']:.3f} undone ({truth})"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _structure(figures: Figures) -> Iterator[Row]:
    yield "ranks", " · ".join(f"{rank['name']} {rank['size']:,}" for rank in figures["ranks"])
    known = figures.get("what_we_know")
    of_the_chapter = {one["key"] for one in known["segments"]["sizes"]} if known else set()
    own = (segment for segment in figures["segments"] if segment["key"] not in of_the_chapter)
    yield "segments", " · ".join(f"{segment['name']} {segment['size']:,}" for segment in own)


def _campaign(figures: Figures) -> Iterator[Row]:
    campaign = figures["campaign"]
    treatment, holdout, lift, truth = (campaign[name] for name in ("treatment", "holdout", "lift", "truth"))
    yield "journey", f"{treatment['customers']:,} treated, {holdout['customers']:,} held out"
    reached = f"{treatment['reached']:,} / {treatment['opened']:,} / {treatment['clicked']:,}"
    yield "sent / opened / clicked", f"{reached}, {treatment['failed']:,} not to be reached (no address or permission)"
    if lift:
        shares = f"{lift['treatment']:.1%} of the treated, {lift['holdout']:.1%} of the held out"
        interval = f"{lift['confidence']:.0%} interval {lift['low']:+.1%} to {lift['high']:+.1%}"
        yield "bought (simulated)", shares
        yield "measured lift", f"{lift['difference']:+.1%} ({interval})"
    probability = f"{truth['base']:.0%}, whom the coupon reached {truth['base'] + truth['effect_on_reached']:.0%}"
    yield "true effect", f"{truth['effect']:+.1%} between the arms (everybody buys with {probability})"


def _voice(figures: Figures) -> Iterator[Row]:
    survey = figures["survey"]
    answered = f"{survey['answered']:,} of {survey['invited']:,} invited answered ({survey['coverage'] or 0:.1%})"
    yield "survey", f"{answered}; {survey['census_coverage']:.1%} of all known customers"
    groups = ", ".join(f"{survey[group]:,} {group}" for group in ("promoters", "passives", "detractors"))
    yield "NPS", f"{survey['nps']} ({groups})"
    yield "commitments", ", ".join(f"{count:,} {status}" for status, count in survey["commitments"].items())


def _addresses(figures: Figures) -> Iterator[Row]:
    yield from figures["addresses"].items()
    yield "token, write keys", "credentials.json, beside story.json"

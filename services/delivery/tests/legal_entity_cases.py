"""Which legal entity may use what for what: one table, tried on delivery's rule, on its SQL, and on identity's rule."""

from dataclasses import dataclass, field
from datetime import timedelta

MAKER, DEALER, AGENCY = "Kizuna Inc.", "Kizuna Shops K.K.", "Agency K.K."
NOW = timedelta()


@dataclass(frozen=True)
class AgreementCase:
    """An agreement; its times are distances from now."""

    from_entity: str = DEALER
    to_entity: str = MAKER
    purposes: tuple[str, ...] = ("marketing",)
    valid_from: timedelta = timedelta(days=-1)
    valid_until: timedelta | None = timedelta(days=1)
    removed: bool = False

    @property
    def is_in_force(self) -> bool:
        """Whether it holds now: its first moment is inside, its end is not."""
        return not self.removed and self.valid_from <= NOW and (self.valid_until is None or self.valid_until > NOW)


@dataclass(frozen=True)
class Case:
    """Something brought by `owner` for some purposes (none: every one), which `user` wants to use for one."""

    why: str
    is_allowed: bool
    owner: str | None = DEALER
    collected_for: tuple[str, ...] = ()
    user: str | None = MAKER
    purpose: str = "marketing"
    agreements: list[AgreementCase] = field(default_factory=list)
    more: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """For whom else it was brought later, and for which purposes."""

    @property
    def grants(self) -> list[tuple[str | None, tuple[str, ...]]]:
        """Everybody for whom it was brought, with the purposes; the first one first."""
        return [(self.owner, self.collected_for), *self.more]

    @property
    def in_force(self) -> list[AgreementCase]:
        """The agreements that hold now."""
        return [one for one in self.agreements if one.is_in_force]


CASES = [
    Case("its own, for every purpose", True, owner=MAKER),
    Case("its own, for this purpose", True, owner=MAKER, collected_for=("service", "marketing")),
    Case("its own, for another purpose", False, owner=MAKER, collected_for=("service",)),
    Case("another's", False),
    Case("another's, for this purpose", False, collected_for=("marketing",)),
    Case("nobody's of old", True, owner=None),
    Case("the topic names nobody", True, user=None),
    Case("the topic names nobody, whatever it was collected for", True, user=None, collected_for=("service",)),
    Case("agreed for this purpose", True, agreements=[AgreementCase()]),
    Case("agreed for every purpose", True, agreements=[AgreementCase(purposes=())]),
    Case("agreed for another purpose", False, agreements=[AgreementCase(purposes=("service",))]),
    Case("agreed for two", True, agreements=[AgreementCase(purposes=("service", "marketing"))]),
    Case("two agreements, the second covers it", True,
         agreements=[AgreementCase(purposes=("service",)), AgreementCase()]),
    Case("agreed, but not collected for it", False, collected_for=("service",), agreements=[AgreementCase()]),
    Case("agreed for every purpose, but not collected for it", False, collected_for=("service",),
         agreements=[AgreementCase(purposes=())]),
    Case("agreed and collected for it", True, collected_for=("marketing",), agreements=[AgreementCase()]),
    Case("agreed the other way round", False, agreements=[AgreementCase(from_entity=MAKER, to_entity=DEALER)]),
    Case("agreed with somebody else", False, agreements=[AgreementCase(to_entity=AGENCY)]),
    Case("agreements do not chain", False,
         agreements=[AgreementCase(to_entity=AGENCY), AgreementCase(from_entity=AGENCY)]),
    Case("from this moment on", True, agreements=[AgreementCase(valid_from=NOW)]),
    Case("from tomorrow on", False, agreements=[AgreementCase(valid_from=timedelta(days=1), valid_until=None)]),
    Case("until this moment", False, agreements=[AgreementCase(valid_until=NOW)]),
    Case("without an end", True, agreements=[AgreementCase(valid_until=None)]),
    Case("taken back", False, agreements=[AgreementCase(removed=True)]),
    Case("another's first, then its own", True, more=[(MAKER, ())]),
    Case("another's first, then its own for this purpose", True, more=[(MAKER, ("marketing", "service"))]),
    Case("another's first, then its own for another purpose", False, more=[(MAKER, ("service",))]),
    Case("another's, then a third one's", False, more=[(AGENCY, ())]),
    Case("its own for another purpose, then for this one", True, owner=MAKER, collected_for=("service",),
         more=[(MAKER, ("marketing",))]),
    Case("its own, then another's", True, owner=MAKER, more=[(DEALER, ("service",))]),
    Case("nobody's of old, then another's", True, owner=None, more=[(DEALER, ())]),
    Case("another's, then that of one who agreed", True, more=[(AGENCY, ("marketing",))],
         agreements=[AgreementCase(from_entity=AGENCY)]),
    Case("one agreed, another collected it for this", False, collected_for=("service",),
         more=[(AGENCY, ("marketing",))], agreements=[AgreementCase()]),
    Case("the first agreed, the others do not matter", True, more=[(AGENCY, ()), (MAKER, ("service",))],
         agreements=[AgreementCase()]),
]  # fmt: skip

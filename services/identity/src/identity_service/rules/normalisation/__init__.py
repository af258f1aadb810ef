"""How values are written before they are compared: pure functions, each with its rule's source.

Every normaliser takes free JSON, never raises, and leaves its own results as they are. docs/normalisation.md says per
field what is folded and what never is.
"""

from collections.abc import Callable, Mapping

from identity_service.rules.normalisation.addresses import postal_code_value
from identity_service.rules.normalisation.dates import date_value
from identity_service.rules.normalisation.emails import email_gmail_value, email_plus_tag_value, email_value
from identity_service.rules.normalisation.names import name_value
from identity_service.rules.normalisation.phones import phone_value
from identity_service.rules.normalisation.plain import digits_value, handle_value, lower_value, plain_value
from identity_service.rules.normalisation.readings import reading_value

Normaliser = Callable[[object], str | None]

NORMALISERS: Mapping[str, Normaliser] = {
    "plain": plain_value,
    "lower": lower_value,
    "digits": digits_value,
    "email": email_value,
    "email_gmail": email_gmail_value,
    "email_plus_tag": email_plus_tag_value,
    "phone": phone_value,
    "handle": handle_value,
    "name": name_value,
    "kana": reading_value,
    "postal_code": postal_code_value,
    "date": date_value,
}
"""Name, as namespaces choose it -> free JSON to the value that is compared, None when there is nothing to use."""

__all__ = ["NORMALISERS", "Normaliser"]

"""What looks as if it led to a person: names of columns and traits, and values.

No list finds everything. It is the first of several locks: cells have a minimum size, and nothing that passes here is
ever joined to a customer.
"""

import re
import unicodedata

_IDENTIFYING_NAMES = frozenset(
    [
        "address",
        "addressline",
        "anonymous",
        "birthday",
        "birthdate",
        "bankaccount",
        "cardnumber",
        "cookie",
        "creditcard",
        "dateofbirth",
        "dob",
        "driverslicence",
        "driverslicense",
        "email",
        "emailaddress",
        "familyname",
        "faxnumber",
        "fax",
        "fingerprint",
        "firstname",
        "fullname",
        "furigana",
        "givenname",
        "idfa",
        "idfv",
        "gaid",
        "aaid",
        "imei",
        "insurancenumber",
        "ip",
        "ipaddress",
        "iban",
        "kana",
        "kanji",
        "lastname",
        "latitude",
        "licenceplate",
        "login",
        "longitude",
        "mac",
        "macaddress",
        "mail",
        "mailaddress",
        "membernumber",
        "mobile",
        "msisdn",
        "mynumber",
        "name",
        "namekana",
        "passport",
        "passportnumber",
        "phone",
        "phonenumber",
        "sei",
        "mei",
        "simei",
        "shimei",
        "socialsecuritynumber",
        "ssn",
        "street",
        "streetaddress",
        "surname",
        "tel",
        "telephone",
        "telephonenumber",
        "token",
        "twitter",
        "instagram",
        "facebook",
        "line",
        "username",
        "useragent",
        "url",
        "website",
        "avatar",
        "vin",
    ]
)
"""Without separators and case: namespaces of Segment's specification and of this field, traits of its identify."""
_IDENTIFYING_ENDINGS = frozenset(
    {
        "id",
        "ids",
        "uuid",
        "guid",
        "email",
        "mail",
        "phone",
        "tel",
        "hash",
        "sha256",
        "md5",
        "token",
        "cookie",
        "number",
        "no",
    }
    | {"idfa", "idfv", "gaid", "aaid", "imei", "ip", "address"}
)
_JAPANESE = (
    "氏名",
    "名前",
    "姓名",
    "住所",
    "電話",
    "メール",
    "会員番号",
    "顧客番号",
    "生年月日",
    "マイナンバー",
    "個人番号",
)
_WORDS_THAT_END_SO = frozenset({"paid", "prepaid", "postpaid", "unpaid", "bid", "grid", "hybrid", "valid", "solid"})

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_HEX = re.compile(r"[0-9a-f]{16,}")
_ADDRESS = re.compile(r"\S+@\S+|https?://|www\.|\b\d{1,3}(\.\d{1,3}){3}\b|([0-9a-f]{1,4}:){3,}")
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_LONG_TOKEN = re.compile(r"(?=\S*\d)(?=\S*[a-z])[a-z0-9_+/=-]{20,}")
MAX_DIGITS = 7
"""A Japanese postal code has seven; telephone numbers, members' numbers and cards have more."""


def is_identifying_name(name: str) -> bool:
    """Whether a column or trait of this name is taken to identify somebody: `customer_id`, `Email`, `電話番号`."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    words = [word for word in re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).casefold()) if word]
    joined = re.sub(r"[\W_]+", "", plain)
    if joined in _WORDS_THAT_END_SO or (words and words[-1] in _WORDS_THAT_END_SO):
        return False
    return (
        joined in _IDENTIFYING_NAMES
        or (bool(words) and words[-1] in _IDENTIFYING_ENDINGS)
        or joined.endswith(("userid", "customerid", "memberid", "clientid", "deviceid", "visitorid"))
        or any(word in plain for word in _JAPANESE)
    )


def is_identifying_value(value: str) -> bool:
    """Whether a value looks like an identifier: an address, a long number, an id, a hash."""
    if len(value) <= MAX_DIGITS and value.isascii() and value.isalnum():
        return False
    plain = unicodedata.normalize("NFKC", value).strip().casefold()
    if _DATE.fullmatch(plain):
        return False
    return (
        _UUID.search(plain) is not None
        or _HEX.fullmatch(plain) is not None
        or _ADDRESS.search(plain) is not None
        or _LONG_TOKEN.fullmatch(plain) is not None
        or sum(character.isdecimal() for character in plain) > MAX_DIGITS
    )

"""The form's own words, in the languages a questionnaire can have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from survey_service.rules.answers import AnswerProblem, Code
from survey_service.rules.questionnaire import Language


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What the frame around the questions says. `{...}` are filled in."""

    language: Language
    required: str
    optional: str
    send: str
    error_prefix: str
    error_title: str
    errors: Mapping[Code, str]
    follow_up_introduction: str
    changeable_until: str
    answered_at: str
    back_to_questions: str
    thanks: str
    promised: str
    change_answers: str
    nps_minimum: str
    nps_maximum: str
    scale_hint: str
    at_most: str
    at_most_characters: str
    unreadable: str
    expired_title: str
    expired: str
    unknown_title: str
    unknown: str
    refused_title: str
    refused: str
    instant: str


JAPANESE = Texts(
    language="ja",
    required="必須",
    optional="任意",
    send="回答を送る",
    error_prefix="エラー",
    error_title="ご確認ください",
    errors={
        "nothing_answered": "まだ何も回答されていません。一つ以上お答えください。",
        "required": "お答えください。",
        "unknown_question": "このページにない項目が送られました。ページを開き直してください。",
        "not_asked": "この質問は対象外です。",
        "wrong_type": "選択肢からお選びください。",
        "out_of_range": "{minimum}から{maximum}の間でお選びください。",
        "unknown_option": "選択肢からお選びください。",
        "too_many": "{maximum}個以内でお選びください。",
        "too_long": "{maximum}文字以内でご記入ください。",
    },
    follow_up_introduction="ご回答を受け付けました。ありがとうございます。よろしければ、続けてお聞かせください。",
    changeable_until="このページから{instant}まで回答を変更できます。",
    answered_at="{instant}にいただいた回答を表示しています。",
    back_to_questions="前の質問に戻る",
    thanks="ご回答ありがとうございました。",
    promised="次のお約束を承りました",
    change_answers="回答を変更する",
    nps_minimum="まったく薦めたくない",
    nps_maximum="ぜひ薦めたい",
    scale_hint="{minimum}：{minimum_label}、{maximum}：{maximum_label}",
    at_most="{maximum}個まで選べます。",
    at_most_characters="{maximum}文字まで",
    unreadable="送信された内容を読み取れませんでした。もう一度お試しください。",
    expired_title="回答期間が終了しました",
    expired="このアンケートの回答期間は終了しました。お時間をいただき、ありがとうございました。",
    unknown_title="ページが見つかりません",
    unknown="アドレスが途中で切れていないかご確認のうえ、お届けしたメッセージのリンクをもう一度開いてください。",
    refused_title="送信できませんでした",
    refused="送信された内容を受け付けられませんでした。もう一度お試しください。",
    instant="{0.year}年{0.month}月{0.day}日 {0:%H:%M}",
)

ENGLISH = Texts(
    language="en",
    required="required",
    optional="optional",
    send="Send answers",
    error_prefix="Error",
    error_title="There is a problem",
    errors={
        "nothing_answered": "Nothing is answered yet. Answer at least one question.",
        "required": "Answer this question.",
        "unknown_question": "Something was sent that is not on this page. Open the page again.",
        "not_asked": "This question does not apply.",
        "wrong_type": "Choose one of the answers shown.",
        "out_of_range": "Choose a number from {minimum} to {maximum}.",
        "unknown_option": "Choose one of the answers shown.",
        "too_many": "Choose at most {maximum}.",
        "too_long": "Use at most {maximum} characters.",
    },
    follow_up_introduction="Thank you, your answers have been received. If you like, tell us a little more.",
    changeable_until="You can change your answers on this page until {instant}.",
    answered_at="These are your answers of {instant}.",
    back_to_questions="Back to the previous questions",
    thanks="Thank you for your answers.",
    promised="What we promised you",
    change_answers="Change my answers",
    nps_minimum="not at all likely",
    nps_maximum="extremely likely",
    scale_hint="{minimum}: {minimum_label}, {maximum}: {maximum_label}",
    at_most="Choose at most {maximum}.",
    at_most_characters="At most {maximum} characters",
    unreadable="What was sent could not be read. Please try again.",
    expired_title="This survey has ended",
    expired="The time to answer this survey is over. Thank you for taking the time.",
    unknown_title="Page not found",
    unknown="Check that the address is complete, and open the link in our message again.",
    refused_title="Your answers could not be sent",
    refused="What was sent could not be accepted. Please try again.",
    instant="{0.day} {0:%B} {0.year}, {0:%H:%M}",
)

TEXTS: Mapping[Language, Texts] = {"ja": JAPANESE, "en": ENGLISH}


def preferred_language(accept_language: str) -> Language:
    """Return the language of ours that an `Accept-Language` header names first; Japanese when it names none."""
    for part in accept_language.lower().split(","):
        tag = part.split(";")[0].strip()[:2]
        if tag == "ja":
            return "ja"
        if tag == "en":
            return "en"
    return "ja"


def describe_problem(problem: AnswerProblem, texts: Texts) -> str:
    """Say in the customer's language why an answer is refused."""
    return texts.errors[problem.code].format(minimum=problem.minimum, maximum=problem.maximum)


def show_instant(instant: datetime, texts: Texts, *, zone: ZoneInfo) -> str:
    """Show an instant in the customers' zone."""
    return texts.instant.format(instant.astimezone(zone))

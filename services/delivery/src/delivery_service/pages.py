"""The few pages customers see: plain HTML that works without JavaScript, on a phone, with a screen reader.

Japanese first, English below. They hold no address: whoever got the mail forwarded must not learn whom it was for.
"""

from html import escape

_FRAME = """<!doctype html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
body {{
  font: 1.125rem/1.7 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 34rem; margin: 0 auto; padding: 2rem 1.25rem;
}}
h1 {{ font-size: 1.5rem; line-height: 1.3; }}
button {{
  font: inherit; padding: .75rem 1.5rem; min-height: 3rem;
  border: 2px solid #0b4f8a; border-radius: .375rem; background: #0b4f8a; color: #fff;
}}
button:focus-visible {{ outline: 3px solid #f0a500; outline-offset: 3px; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""


def unsubscribe_page(topic: str) -> str:
    """Ask before withdrawing; opening the page changes nothing."""
    return _FRAME.format(
        title="配信停止の確認",
        content=f"""<p>「{escape(topic)}」のメール配信を停止します。</p>
<p lang="en">Stop receiving mails about “{escape(topic)}”.</p>
<form method="post">
<input type="hidden" name="confirm" value="yes">
<button type="submit">配信を停止する <span lang="en">(Unsubscribe)</span></button>
</form>""",
    )


def unsubscribed_page(topic: str) -> str:
    """Say that it is done."""
    return _FRAME.format(
        title="配信を停止しました",
        content=f"""<p role="status">「{escape(topic)}」のメールは今後お送りしません。</p>
<p lang="en">You will no longer receive mails about “{escape(topic)}”.</p>""",
    )


def not_found_page() -> str:
    """Say nothing but that there is nothing."""
    return _FRAME.format(
        title="ページが見つかりません",
        content="""<p>リンクが正しくないか、有効ではなくなっています。</p>
<p lang="en">This link is wrong or no longer valid.</p>""",
    )

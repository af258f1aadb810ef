"""What a mail holds is found by what it is for."""

from kizuna_demo.mailbox import Content, read_content

HTML = """<p><a href="http://delivery/c/abc?x=1&amp;y=2">use</a> <a href='ignored'>x</a>
<a href="http://survey/f/tok">answer</a> <a href="http://delivery/u/bye">stop</a></p>
<p>15%OFF: BACK-7K2M9QWX3A4B</p><img src="http://delivery/o/abc.gif" width="1">"""


def test_addresses_are_sorted_by_purpose() -> None:
    assert read_content(HTML) == Content(
        pixels=("http://delivery/o/abc.gif",),
        tracked=("http://delivery/c/abc?x=1&y=2",),
        forms=("http://survey/f/tok",),
        coupon="BACK-7K2M9QWX3A4B",
    )

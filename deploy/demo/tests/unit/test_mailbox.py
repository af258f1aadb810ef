"""Links are found in a mail by what they are for."""

from kizuna_demo.mailbox import Links, find_links

HTML = """<p><a href="http://delivery/c/abc?x=1&amp;y=2">use</a> <a href='ignored'>x</a>
<a href="http://survey/f/tok">answer</a> <a href="http://delivery/u/bye">stop</a></p>
<img src="http://delivery/o/abc.gif" width="1">"""


def test_links_are_sorted_by_purpose() -> None:
    assert find_links(HTML) == Links(
        pixels=("http://delivery/o/abc.gif",),
        tracked=("http://delivery/c/abc?x=1&y=2",),
        forms=("http://survey/f/tok",),
    )

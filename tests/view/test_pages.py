"""Pages hold what they are given as text, whatever is in it, and may load nothing."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from smiletrack.view.charts import Point, bars, line_chart, scatter
from smiletrack.view.data_page import statistics_page
from smiletrack.view.error_analysis import Span, Switch
from smiletrack.view.report_page import RunReport, SequenceReport, render_report
from smiletrack.view.row_charts import Mark, figure_rows
from smiletrack.view.sequence_statistics import statistics
from smiletrack.view.switch_gallery import Candidate, Crop, SwitchCard

EVIL = """</script></style></title>"'><b onerror=alert(1)>&amp;{{ 7 * 7 }}{% raw %}"""


class Elements(HTMLParser):
    """Collects the elements, attributes and text of a page; complains about what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def evil_report(text: str) -> str:
    switch = Switch(1, 2, 3, 0, 1, 2, 12, 9, 0.01)
    card = SwitchCard(text, text, switch, "gap", Candidate(2, 3, gate=text), Candidate(3), 0.5, [Crop(text, "data:,")])
    sequence = SequenceReport(
        text, 20, {"HOTA": 0.5}, [card], [Span(1, 1, 9, 2, "")], [(9, 1)] * 4, [(9, 1)] * 4, notes=[text]
    )
    curves = {name: [0.5, 0.4] for name in ("HOTA", "DetA", "AssA")}
    runs = [
        RunReport(name, {"HOTA": 0.5}, curves, 30.0, {text: 1.0}, [sequence], {text: text}, [text])
        for name in (text, text + "2")
    ]
    return render_report(runs, [0.1, 0.9], {text + "2": {"HOTA": (0.1, 0.0, 0.2)}}, text)


def test_what_comes_from_outside_is_text() -> None:
    evil, tame = Elements(evil_report(EVIL)), Elements(evil_report("tame"))
    assert evil.tags == tame.tags and [name for name, _ in evil.attributes] == [name for name, _ in tame.attributes]
    shown = [text.strip() for text in evil.text]
    assert shown.count(EVIL) == [text.strip() for text in tame.text].count("tame") > 10
    # in data attributes, options and alternative texts it is a value
    assert [value for _, value in evil.attributes].count(EVIL) == [v for _, v in tame.attributes].count("tame") > 5


def test_the_page_of_data_too() -> None:
    pages = [Elements(statistics_page(text, [statistics(text, [], 2)], {})) for text in (EVIL, "tame")]
    assert pages[0].tags == pages[1].tags and EVIL in "".join(pages[0].text)


def test_charts_escape_names() -> None:
    points = [Point(10, 50, EVIL), Point(20, 60, "b", quoted=True)]
    for chart in (
        line_chart({EVIL: ([0, 1], [1, 2])}, EVIL, EVIL, (400, 300)),
        scatter(points, EVIL, EVIL, (400, 300)),
        bars([EVIL], {EVIL: [(9, 3)]}, EVIL, (400, 300)),
        figure_rows({EVIL: [Mark(EVIL, 1.0, 0, (0.5, 1.5))]}, EVIL),
    ):
        assert "<b" not in chart and chart.count("&lt;b onerror") >= 2


def test_the_policy_allows_this_script_and_no_other() -> None:
    page = evil_report(EVIL)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    (policy,) = (value for _, value in Elements(page).attributes if value and value.startswith("default-src"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "script-src 'none'" in statistics_page("a", [], {}).replace("&#39;", "'")

"""The report of a small run with known mistakes: what it says, what it lacks, and how a browser takes it."""

import base64
import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.data.mot import write_results
from smiletrack.data.sources import open_source
from smiletrack.data.synthetic import crowd_sequences
from smiletrack.engine.eval_mot import EvalConfig, eval_mot
from smiletrack.engine.report import ReportConfig, distinct_names, report
from smiletrack.engine.run_folders.folder import start_run
from smiletrack.engine.run_folders.results import read_run, read_sequence_run
from smiletrack.engine.show_tracks import ShowConfig, show_tracks
from smiletrack.engine.track import TrackConfig
from smiletrack.errors import InputError
from smiletrack.files import write_json
from smiletrack.types import TrackTable
from smiletrack.view.error_analysis import Switch, find_switches
from smiletrack.view.report_page import RunReport, SequenceReport, render_report
from smiletrack.view.svg import log_ticks, ticks
from smiletrack.view.switch_gallery import Candidate, SwitchCard

NAME = "Straße 1"
FRAMES, SWAP = 24, 13


def people() -> TrackTable:
    """Two people, 1 and 2, walk towards each other on two lanes; 40 pixels high."""
    rows = [
        (f, i, 20 + 6 * f if i == 1 else 170 - 6 * f, 20 if i == 1 else 70)
        for f in range(1, FRAMES + 1)
        for i in (1, 2)
    ]
    frames, ids, x, y = np.array(rows).T
    return TrackTable(frames, ids, np.column_stack((x, y, x + 16, y + 40)).astype(float))


def swapped(table: TrackTable, extra: int = 10) -> TrackTable:
    """The same boxes with the identities 11 and 12, exchanged from frame SWAP on; one false alarm in frame 3."""
    ids = np.where(table.frames < SWAP, table.ids, 3 - table.ids) + extra
    return TrackTable(
        np.append(table.frames, 3), np.append(ids, 99), np.vstack((table.boxes, [[150, 100, 170, 115]])), None
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of one sequence with images, truth, detections and embeddings."""
    root = tmp_path_factory.mktemp("Daten äöü") / "train"
    folder = root / NAME
    (folder / "img1").mkdir(parents=True)
    table = people()
    rng = np.random.default_rng(0)
    street = rng.integers(90, 140, (120, 200, 3), np.uint8)
    for frame in range(1, FRAMES + 1):
        image = street.copy()
        for identity, box in zip(table.ids[table.frames == frame], table.boxes[table.frames == frame], strict=True):
            x1, y1, x2, y2 = box.astype(int)
            image[y1:y2, max(x1, 0) : max(x2, 0)] = (200, 60, 30) if identity == 1 else (40, 60, 210)
        cv2.imencode(".jpg", image)[1].tofile(folder / "img1" / f"{frame:06d}.jpg")
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={NAME}\nimDir=img1\nframeRate=10\nseqLength={FRAMES}\nimWidth=200\nimHeight=120\nimExt=.jpg\n",
        encoding="utf-8",
    )
    for kind, end in (("gt", "1,1,0.8"), ("det", "0.9,-1,-1,-1")):
        (folder / kind).mkdir()
        lines = [
            f"{f},{i if kind == 'gt' else -1},{b[0]},{b[1]},16,40,{end}\n"
            for f, i, b in zip(table.frames, table.ids, table.boxes, strict=True)
        ]
        (folder / kind / f"{kind}.txt").write_text("".join(lines))
    np.savez(root.parent / f"{NAME}.npz", embeddings=np.eye(4)[table.ids])
    return root


def make_run(world: Path, folder: Path, results: TrackTable, finished: bool = True) -> Path:
    start_run(folder, TrackConfig(data=str(world), embeddings=str(world.parent), output=str(folder)), "track")
    write_results(folder / "tracks" / f"{NAME}.txt", results)
    if finished:
        write_json(folder / "timing.json", {NAME: {"frames": FRAMES, "seconds": {"association": 0.5}}})
    return folder


@pytest.fixture(scope="module")
def run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(world, tmp_path_factory.mktemp("Läufe") / "the run", swapped(people()))


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return report(ReportConfig(runs=(str(run),))).read_text(encoding="utf-8")


def column(table: str, number: int) -> dict[str, str]:
    """A table's cells of one column by what stands before them."""
    rows = re.findall(r"<tr><th>(.*?)</th>(.*?)</tr>", table, re.S)
    return {name: re.findall(r"<td[^>]*>(.*?)</td>", cells, re.S)[number] for name, cells in rows if "<td" in cells}


def cards(page: str) -> list[str]:
    return re.findall(r'<article class="card".*?</article>', page, re.S)


def test_every_switch_has_a_card_with_pictures_and_reasons(page: str) -> None:
    found = cards(page)
    assert len(found) == 2
    for card in found:
        captions = re.findall(r'alt="(.*?)"', card)
        assert captions == [f"before, frame {SWAP - 1}", f"at, frame {SWAP}", f"after, frame {SWAP + 10}"]
        pictures = [
            cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
            for data in re.findall(r'src="data:image/jpeg;base64,(.*?)"', card)
        ]
        for picture in pictures:
            blue, _, red = picture[100:120, picture.shape[1] // 2 - 5 : picture.shape[1] // 2 + 5].mean((0, 1))
            # person 1 is blue, person 2 red, whatever identity the result gave them
            assert (blue > red + 80) if "person 1" in card else (red > blue + 80)
        assert len({picture.shape for picture in pictures}) == 1, "one scale within a card"
        # the right track was here and looked the same; the one that was taken was far and looked otherwise
        before, after = column(card, 0), column(card, 1)
        assert (before["IoU"], before["appearance"]) == ("1.00", "1.00")
        assert (after["IoU"], after["appearance"]) == ("0.00", "0.00")
        assert 'data-cause="crossing"' in card


def test_causes_are_counted_above_the_gallery(page: str) -> None:
    table = re.search(r'<table class="causes">.*?</table>', page, re.S)
    assert table is not None
    counted = [re.sub(r"<.*?>", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", table.group(), re.S)]
    assert [row[0] for row in counted[1:]] == ["crossing", "all"]
    assert [row[-1] for row in counted[1:]] == ["2", "2"]


def test_cost_figures_and_timeline(page: str, run: Path) -> None:
    sequence = read_sequence_run(read_run(run), NAME)
    assert sequence.matching is not None
    costs = [switch.cost for switch in find_switches(sequence.matching)]
    # each person: 12 frames as it was, 12 exchanged, so 24 of 48 boxes keep their identity; with one mended it is 36
    assert costs == [pytest.approx(2 * 12 / (48 + 49))] * 2
    assert f'<span class="cost"><b>{200 * 12 / 97:.2f}</b> IDF1 points</span>' in page
    assert "1 covered by 11, frames 1–12" in page
    assert "1 covered by 12, frames 13–24, identity switch" in page
    assert '<td data-column="frames/s">48.0' in page
    assert re.search(r"<th>IDSW ↓</th>", page) and '<td data-column="IDSW">2' in page


def test_page_needs_no_network(page: str) -> None:
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert "@import" not in page and "url(" not in page


def test_runs_beside_each_other_with_intervals(world: Path, run: Path, tmp_path: Path) -> None:
    perfect = make_run(world, tmp_path / "perfect", people())
    page = report(ReportConfig(runs=(str(run), str(perfect)), output=str(tmp_path / "both.html"))).read_text("utf-8")
    row = re.search(r"<tr><th>[^\n]*?perfect</th>.*?</tr>", page, re.S)  # of the first table
    assert row is not None
    assert "<b>100.00</b>" in row.group() and re.search(r"\+50\.\d+<br>\[\+", row.group()), "IDF1 and its interval"
    assert "<b>0</b>" in row.group(), "IDSW: less is better"


def test_what_is_missing_is_named(world: Path, tmp_path: Path) -> None:
    data = tmp_path / "bare" / "train"
    shutil.copytree(world, data)
    shutil.rmtree(data / NAME / "img1")
    table = people()
    run = make_run(
        data, tmp_path / "run", swapped(table)[np.flatnonzero(np.append(table.frames, 3) < 16)], finished=False
    )
    page = report(ReportConfig(runs=(str(run),))).read_text("utf-8")
    for message in ("no timing.json", "the results end at frame 15 of 24", "no images, so the gallery has no pictures"):
        assert message in html.unescape(page[page.index("What is missing") :]), "at the end"
    assert len(cards(page)) == 2 and "<img" not in page

    shutil.rmtree(data / NAME / "gt")
    page = report(ReportConfig(runs=(str(run),))).read_text("utf-8")
    assert "no ground truth" in page and not cards(page) and "No figures" in page

    shutil.rmtree(data)
    page = report(ReportConfig(runs=(str(run),))).read_text("utf-8")
    assert "give --gt" in page
    with pytest.raises(InputError, match="no such folder"):
        report(ReportConfig(runs=(str(tmp_path / "nothing"),)))
    with pytest.raises(InputError, match=r"^gt: .*nowhere: no such folder"):
        report(ReportConfig(runs=(str(run),), gt=str(tmp_path / "nowhere")))


def test_figures_of_a_run_whose_truth_is_gone_come_from_its_summary(run: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely"
    shutil.copytree(run / "tracks", lonely / "tracks")
    families = {"HOTA": {"HOTA": [0.5] * 19, "DetA": [0.5] * 19, "AssA": [0.5] * 19}, "CLEAR": {"CLR_FP": 7}}
    (lonely / "summary.json").write_text(json.dumps({NAME: families, "COMBINED": families}))
    page = report(ReportConfig(runs=(str(lonely),))).read_text("utf-8")
    assert '<td data-column="HOTA">50.00' in page and '<td data-column="FP">7' in page and "no config.yaml" in page


def test_damaged_records_are_named_on_the_page_and_the_rest_reported(world: Path, tmp_path: Path, shared: Path) -> None:
    files = sorted((shared / "cases" / "broken-files").glob("*_*.json-*"))
    files = [file for file in files if file.name.startswith(("report_", "eval_mot_"))]
    assert len(files) >= 9
    for number, file in enumerate(files):
        run = make_run(world, tmp_path / str(number), swapped(people()))
        record = file.name.removeprefix("eval_mot_").removeprefix("report_").partition("-")[0]
        shutil.copy(file, run / record)
        page = report(ReportConfig(runs=(str(run),), resamples=0)).read_text("utf-8")
        missing = html.unescape(page[page.index("What is missing") :])
        assert f"not known ({run / record}: " in missing, file.name
        assert len(cards(page)) == 2
        measures = eval_mot(EvalConfig(results=str(run)))
        assert measures[NAME]["CLEAR"]["IDSW"] == 2


def test_a_configuration_that_cannot_be_read_is_one_line(world: Path, tmp_path: Path) -> None:
    run = make_run(world, tmp_path / "run", swapped(people()))
    (run / "config.yaml").write_text("data: [1, 2\n")
    with pytest.raises(InputError, match=r"config\.yaml"):
        report(ReportConfig(runs=(str(run),)))


def test_a_broken_result_file_is_named_and_the_rest_reported(world: Path, tmp_path: Path) -> None:
    run = make_run(world, tmp_path / "run", swapped(people()))
    (run / "tracks" / "Other.txt").write_text("1,1,0,0,5,5,1\n1,x,0,0,5,5,1\n")
    page = report(ReportConfig(runs=(str(run),))).read_text("utf-8")
    assert "Other.txt:2: column 2 (id)" in page and len(cards(page)) == 2


def test_a_run_on_the_generated_crowd_knows_its_truth(tmp_path: Path) -> None:
    truth = crowd_sequences(seed=3)[0].truth
    counted = (truth.scores > 0) & (truth.classes == 1) & (truth.frames > 151)
    late = truth[np.flatnonzero(counted)]
    start_run(tmp_path, TrackConfig(split="val_half", seed=3), "track")
    write_results(tmp_path / "tracks" / "CROWD-01.txt", TrackTable(late.frames - 151, late.ids, late.boxes))
    sequence = read_sequence_run(read_run(tmp_path), "CROWD-01")
    assert sequence.num_frames == 149 and sequence.matching is not None and not sequence.notes
    assert len(sequence.matching.truth) == len(late) and (sequence.matching.partner >= 0).all()


def test_show_tracks_marks_mistakes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = show_tracks(ShowConfig(run=str(run), format="images", output=str(tmp_path / "Bilder")))
    pictures = list(open_source(folder))
    assert len(pictures) == FRAMES
    magenta = [int(((p[..., 0] > 180) & (p[..., 1] < 80) & (p[..., 2] > 180)).sum()) for p in pictures]
    # the legend in the corner has some of the colour in every frame
    assert min(magenta[SWAP - 1 :]) > max(magenta[: SWAP - 1]) + 50
    orange = [
        int(((p[..., 0] < 90) & (abs(p[..., 1].astype(int) - 165) < 40) & (p[..., 2] > 200)).sum()) for p in pictures
    ]
    assert orange[2] > max(orange[:2]) + 20, "the false alarm of frame 3"
    (video,) = show_tracks(ShowConfig(run=str(run), marks="tracks", output=str(tmp_path)))
    assert open_source(video).num_frames == FRAMES
    with pytest.raises(InputError, match="did you mean"):
        show_tracks(ShowConfig(run=str(run), sequences=("Strasse 1",)))


def test_names_and_ticks() -> None:
    assert distinct_names([Path("/a/x/run"), Path("/a/y/run")]) == ["x/run", "y/run"]
    assert distinct_names([Path("/a/x"), Path("/a/x")]) == ["x (1)", "x (2)"]
    assert ticks([0.0, 100.0]) == [0, 20, 40, 60, 80, 100] and ticks([3.0, 3.0])[0] <= 3 <= ticks([3.0, 3.0])[-1]
    assert log_ticks([3.0, 37.5]) == [2, 5, 10, 20, 50] and log_ticks([5.0]) == [5, 10]


def many_switches() -> RunReport:
    """Seven sequences with 200 switches in all, costs 0.00 .. 1.99."""
    sequences = []
    for s in range(7):
        found = [
            SwitchCard(
                "many",
                f"S{s}",
                Switch(1, k, k + 1, 0, 1, 2, k + 2, k + 1 - k % 3, k / 10000),
                "gap" if k % 3 else "crossing",
                Candidate(k),
                Candidate(k + 1, 1),
            )
            for k in range(s, 200, 7)
        ]
        sequences.append(SequenceReport(f"S{s}", 300, {"HOTA": 0.5}, found))
    return RunReport("many", {"HOTA": 0.5}, frames_per_second=10, sequences=sequences)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A headless Chromium; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium (pip install selenium)")
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("needs chromedriver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


def test_browser_shows_the_page_and_filters_the_gallery(browser, run: Path, page: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "viele é.html"
    path.write_text(render_report([many_switches()], [0.5]), encoding="utf-8")
    for file, count in ((run / "report.html", "2 of 2"), (path, "12 of 200")):
        browser.get(file.as_uri())
        assert browser.get_log("browser") == []
        assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
        assert browser.find_element("id", "shown").text == count

    def shown() -> list[str]:
        script = (
            "return [...document.querySelectorAll('.card')].filter(c => c.checkVisibility()).map(c => c.dataset.cost)"
        )
        return browser.execute_script(script)  # type: ignore[no-any-return]

    def choose(name: str, value: str) -> None:
        browser.execute_script(
            "const e = document.getElementById('filters').elements[arguments[0]]; e.value = arguments[1];"
            "for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true}));",
            name,
            value,
        )

    def click(selector: str) -> None:
        browser.execute_script("document.querySelector(arguments[0]).click()", selector)

    costly = sorted((k / 100 for k in range(200)), reverse=True)
    assert [float(cost) for cost in shown()] == costly[:12]
    click("#more button")
    assert [float(cost) for cost in shown()] == costly[:24]
    click("#more [data-more=all]")
    assert [float(cost) for cost in shown()] == costly and not browser.find_element("id", "more").is_displayed()
    choose("sequence", "S3")
    assert len(shown()) == 12 and browser.find_element("id", "shown").text == "12 of 29 (200 in all)"
    choose("cost", "1.5")
    assert shown() == [f"{k / 100:.4f}" for k in range(199, 149, -1) if k % 7 == 3]
    choose("sort", "frame")
    assert shown() == [f"{k / 100:.4f}" for k in range(150, 200) if k % 7 == 3]
    choose("cause", "gap")
    assert all(int(float(cost) * 100 + 0.5) % 3 for cost in shown()) and shown()
    for name in ("sequence", "cost"):
        choose(name, "")
    click(".causes button[data-cause=crossing]")
    assert browser.find_element("id", "shown").text == "12 of 67 (200 in all)"
    assert not any(int(float(cost) * 100 + 0.5) % 3 for cost in shown())
    assert browser.get_log("browser") == []


def test_browser_hides_the_figures_of_others_and_enlarges_pictures(browser, run: Path, page: str) -> None:  # type: ignore[no-untyped-def]
    browser.get((run / "report.html").as_uri())
    visible = "return [...document.querySelectorAll('svg .quoted')].filter(c => c.checkVisibility()).length"
    assert browser.execute_script(visible) == 0
    browser.find_element("id", "show-quoted").click()
    assert browser.execute_script(visible) == 14
    width = "return document.querySelector(arguments[0]).getBoundingClientRect().width"
    small = browser.execute_script(width, ".card .crop img")
    browser.execute_script("document.querySelector('.card .crops').click()")
    assert browser.execute_script(width, "dialog .crop img") > 2 * small
    assert len(browser.find_elements("css selector", "dialog[open] img")) == 3
    browser.find_element("css selector", "dialog").click()
    assert not browser.find_elements("css selector", "dialog[open]")


def test_browser_goes_from_a_timeline_to_the_card(browser, run: Path, page: str) -> None:  # type: ignore[no-untyped-def]
    browser.get((run / "report.html").as_uri())
    marks = browser.find_elements("css selector", "#timelines [data-person]")
    assert [mark.get_attribute("data-frame") for mark in marks] == [str(SWAP)] * 2
    for mark, person in zip(marks, "12", strict=True):
        browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", mark)
        (found,) = browser.find_elements("css selector", ".card.found")
        assert found.get_attribute("data-person") == person and found.is_displayed()
        browser.execute_script("document.querySelector('.card.found').classList.remove('found')")
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [1400, 900, 390])
def test_browser_scrolls_in_one_direction_only(browser, run: Path, page: str, tmp_path: Path, width: int) -> None:  # type: ignore[no-untyped-def]
    long_name = RunReport("x" * 120, {"HOTA": 0.51, "IDSW": 123456.0}, notes=["y" * 300], about={"z" * 80: "w" * 300})
    path = tmp_path / "page.html"
    path.write_text(render_report([many_switches(), long_name], [0.5]), encoding="utf-8")
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    for file in (path, run / "report.html"):
        browser.get(file.as_uri())
        sizes = browser.execute_script(
            "const e = document.documentElement; return [e.scrollWidth, e.clientWidth, e.scrollHeight]"
        )
        assert sizes[0] <= sizes[1] and sizes[2] < 11000
        wide = browser.execute_script(
            "return [...document.querySelectorAll('main *')].filter(e => getComputedStyle(e).overflowX !== 'visible'"
            " && e.scrollWidth > e.clientWidth + 1 && !e.closest('li')).map(e => e.className)"
        )
        assert wide == [], "nor does anything inside scroll sideways"
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

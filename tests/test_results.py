"""``reassay retest results``: pages and figures from the ledger, the same for the same ledger."""

import shutil
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, select

from db.engine import open_database, open_session
from db.models import Stream
from reassay.results.figures import (
    CurveFigure,
    EstimandFigure,
    Point,
    choose_ticks,
    draw_curve,
    draw_estimand,
    find_limits,
)
from reassay.results.ledger import find_number
from reassay.results.page import name_picture
from reassay.results.writing import write_results
from reports.numbers import format_evidence
from retest.bindings import bind_experiments
from retest.experiments import MODULES, load_experiment
from retest.finished_seeds import read_counted
from retest.outcomes import read_stream
from retest.protocol import Outcome, Profile, Sample
from retest.results import read_state
from retest.showing import Curve, Showing, SourceNumber
from retest.streams import finish_seed, open_stream, start_seed
from retest.tracing import MOST_POINTS, choose_counts, trace_intervals
from tests.fake_experiment import (
    FakeExperiment,
    fake,
    make_protocol,
    make_read_protocol,
    make_result,
)
from tests.synthetic_ledger import fill_stream, say
from tests.test_retest_commands import home, library, read, reassay

__all__ = ["fake", "home", "library"]

Capture = pytest.CaptureFixture[str]
PROTOCOL = make_read_protocol(
    profiles={
        "smoke": Profile({"arms": ["plain"]}, seed_cost_s=0.1, concludes=False),
        "nightly": Profile({"arms": ["plain"]}, seed_cost_s=0.2),
        "full": Profile({"arms": ["plain", "shuffled"]}, seed_cost_s=9.0),
    }
)
MEANS: dict[str, dict[Outcome, str]] = {
    "E1a": {"CONSISTENT": "A high rate stays high.", "SHIFTED": "The rate is low."},
    "E1b": {"UNDECIDED": "Whether it falls is open."},
    "all": {"UNDECIDED": "One half of the claim is open."},
}
SHOWN = Showing(
    source_numbers=(
        SourceNumber("rate at the end", "93 %", "Table 2 | arXiv:2501.00001v1", "plain.rate.0.5"),
        SourceNumber("rate, shuffled", "12 %", "Table 3", "shuffled.rate.0.5"),
        SourceNumber("its control", "none", "nowhere", "controls.learned.value"),
        SourceNumber("its estimate", "none", "nowhere", "estimates.rate"),
    ),
    curves=(
        Curve(
            "rate_by_size", "Rate by size", "size", "rate",
            {
                "plain": ((8.0, "plain.sizes.8"), (64.0, "plain.sizes.64")),
                "shuffled": ((8.0, "shuffled.sizes.8"), (64.0, "shuffled.sizes.64")),
            },
            is_log_x=True,
        ),
        Curve("dose", "Dose", "dose", "rate", {"one": ((1.0, "dose.one"),)}),
    ),
    means=MEANS,
)  # fmt: skip
SAMPLES = {
    "plain": {
        "seen": [Sample("2 + 2", "4", "4", "right"), Sample("2 + 3", "5", "6", "wrong: sum")],
        "unseen": [Sample("<b>*x*</b> | [a](b)", "1", "`2`", "wrong: sum")],
    }
}


def measure(rate: float, **arms: Any) -> dict[str, Any]:
    sizes = {"8": rate - 0.2, "64": rate}
    return {"plain": {"rate": {"0.5": rate}, "sizes": sizes}, **arms}


def open_library(home: Path) -> Session:
    return open_session(open_database(f"sqlite:///{home / 'reassay.db'}"))


@pytest.fixture
def filled(library: Path, fake: FakeExperiment) -> Path:
    """c1's experiment has run: the rate is high, the slope undecided after thirty seeds."""
    fake.turn_into(PROTOCOL, SHOWN)
    with open_library(library) as session:
        bind_experiments(session)
        fill_stream(
            session, PROTOCOL, say(PROTOCOL, {"slope": "UNDECIDED"}, 30),
            {"learned": 0.99, "refused": 0.01},
            measures=[measure(0.8 + 0.01 * (j % 3 - 1)) for j in range(30)], samples=[SAMPLES] * 30,
        )  # fmt: skip
    return library


def write(home: Path, *options: str) -> str:
    """The page of e01."""
    from reassay.cli import run

    out = home.parent / "out"
    assert run(["retest", "results", "e01", "--out", str(out), *options]) == 0
    return (out / "e01.md").read_text()


# --- The page -------------------------------------------------------------------------------------


def test_a_page_answers_what_a_reader_asks_in_order(filled: Path) -> None:
    page = write(filled, "--no-figures")
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == [
        "# e01: A rate and a slope",
        "## Question",
        "## Arms",
        "## Profile nightly, stream 1: UNDECIDED",
        "### What it means",
        "### Readings of the claim",
        "### Estimands",
        "### Controls and gates",
        "### Beside the source's numbers",
        "### Curves",
        "### What was run",
        "### Samples, wrong ones first",
        "## What was run before, and beside it",
    ]
    for text in (
        "Is the rate above a half?",
        "- claims of this library: c1",
        "**It cannot show:** anything",
        "- **E1a, CONSISTENT** (The rate is high.) A high rate stays high.",
        "- **E1b, UNDECIDED** (The rate does not fall with size.) Whether it falls is open.",
        "- **all, UNDECIDED** (the claim as worded: every estimand together) One half",
        "| E1b | slope | UNDECIDED |",
        "| rate | 30 | 0.75 | \\[",
        "| share | ≥ 0.5 | 0.1 | CONSISTENT | 0 |",
        "| slope | 30 | 0.2 |",
        "| UNDECIDED | more than 1,000 |",
        "| learned | ≥ 0.95 | 30 of 30 | 0.99 | the task was learned |",
        "| rate at the end | 93 % | 0.8 \\[0.79, 0.81\\], 30 seeds | Table 2 \\|",
        "| rate, shuffled | 12 % | not measured in this profile | Table 3 |",
        "| its control | none | 0.99 \\[0.99, 0.99\\], 30 seeds |",
        "| its estimate | none | 0.75 \\[0.75, 0.75\\], 30 seeds |",
        "Dose: not measured in this profile.",
        "| seeds | 0-29 (30 seeds) |",
        "| dates | 5 Jan 2026 to 8 Jan 2026 (UTC), 4 nights |",
        "| threads | 1 |",
        "| wall seconds a seed | 40 (40 to 40) |",
        "| CPU seconds a seed | not recorded |",
        f"| protocol | version 1, {PROTOCOL.hash()} |",
        "| canaries | 1, 0 missed |",
    ):
        assert text in page, text


def test_samples_show_wrong_ones_first_and_nothing_in_them_acts(filled: Path) -> None:
    page = write(filled, "--no-figures")
    samples = page[page.index("### Samples") :]
    assert samples.index("wrong: sum") < samples.index("**right**")
    assert "&lt;b&gt;\\*x\\*&lt;/b&gt; \\| \\[a\\](b)" in samples
    assert "output: \\`2\\`" in samples


def test_the_same_ledger_gives_the_same_bytes(filled: Path) -> None:
    """Also from a copy of the database in another place, with figures or without."""
    once = write(filled)
    pictures = {p.name: p.read_bytes() for p in (filled.parent / "out").glob("*.png")}
    other = filled.parent / "other"
    other.mkdir()
    shutil.copytree(filled, other / "home")
    with open_library(other / "home") as session:
        written = write_results(session, "e01", other / "out")
    assert written.page.read_text() == once == write(filled, "--no-figures")
    assert {p.name: p.read_bytes() for p in written.pictures} == pictures
    assert sorted(pictures) == ["e01-rate-by-size.png", "e01-rate.png", "e01-slope.png"]
    assert all(f"]({name})" in once for name in pictures)


def test_each_profile_that_concludes_has_a_section(filled: Path) -> None:
    with open_library(filled) as session:
        fill_stream(
            session, PROTOCOL, say(PROTOCOL, {"rate": "SHIFTED"}, 3), profile="full",
            measures=[measure(0.3, shuffled={"rate": {"0.5": 0.11}})] * 3,
        )  # fmt: skip
        fill_stream(session, PROTOCOL, say(PROTOCOL, seeds=2), profile="smoke")
    page = write(filled)
    assert page.index("## Profile nightly, stream 1") < page.index("## Profile full, stream 2")
    assert "## Profile smoke" not in page
    assert "| rate, shuffled | 12 % | 0.11 \\[0.11, 0.11\\], 3 seeds | Table 3 |" in page
    assert "](e01-full-slope.png)" in page and (filled.parent / "out/e01-full-slope.png").exists()
    others = page[page.index("## What was run before") :]
    assert [line.split(" | ")[2] for line in others.splitlines() if line.startswith("| ")][1:] == [
        "nightly", "full", "smoke",
    ]  # fmt: skip


def test_an_invalid_stream_says_that_its_numbers_mean_nothing(filled: Path) -> None:
    with open_library(filled) as session:
        fill_stream(session, PROTOCOL, say(PROTOCOL, seeds=1), {"refused": 0.5})
    page = write(filled, "--no-figures")
    assert "## Profile nightly, stream 1: INVALID" in page
    assert "- control refused failed on 1 of 31 seeds (worst 0.5)" in page
    assert page.count(", INVALID** (") == 4
    assert "Nothing: a control, a canary or the stream failed" in page
    assert "CONSISTENT" not in page.replace("consistent", "")


def test_an_experiment_without_words_gets_the_generic_part(
    library: Path, fake: FakeExperiment
) -> None:
    """As c04, which has no showing and no readings."""
    with open_library(library) as session:
        fill_stream(session, make_protocol(), say(make_protocol(), seeds=40))
    page = write(library, "--no-figures")
    assert "- **all, CONSISTENT** (the claim as worded: every estimand together) " in page
    assert "the experiment fixed no words for this outcome" in page
    assert "### Beside" not in page and "### Curves" not in page and "## Arms" not in page
    assert "### Samples" not in page


def test_an_experiment_that_never_ran_has_a_page(library: Path) -> None:
    page = write(library)
    assert "No seed has run yet." in page and "No stream." in page
    assert "version 1" in page and "never run in this library" in page


def test_a_stream_of_an_earlier_protocol_is_shown_as_what_it_is(
    filled: Path, fake: FakeExperiment
) -> None:
    after = make_read_protocol(
        version=2, previous_hash=PROTOCOL.hash(), amendment="the margin was too wide"
    )
    fake.turn_into(after, SHOWN)
    page = write(filled, "--no-figures")
    assert "## Profile nightly, stream 1, of an earlier protocol or code: UNDECIDED" in page
    assert f"it amends {PROTOCOL.hash()[:12]}: the margin was too wide" in page


def test_a_page_comes_from_either_database(
    any_engine: Engine, fake: FakeExperiment, tmp_path: Path
) -> None:
    fake.turn_into(PROTOCOL, SHOWN)
    arms = {"shuffled": SAMPLES["plain"], "plain": SAMPLES["plain"]}
    with open_session(any_engine) as session:
        fill_stream(
            session, PROTOCOL, say(PROTOCOL, seeds=3), measures=[measure(0.8)] * 3,
            samples=[arms] * 3,
        )  # fmt: skip
        page = write_results(session, "e01", tmp_path, has_figures=False).page.read_text()
    assert "| rate at the end | 93 % | 0.8 \\[0.8, 0.8\\], 3 seeds |" in page
    assert page.index("- plain, seen, seed 2: **wrong") < page.index("- shuffled, seen, seed 2")


def test_processor_time_stands_beside_the_clock(filled: Path) -> None:
    with open_library(filled) as session:
        stream = session.exec(select(Stream)).one()
        again = open_stream(session, PROTOCOL, "nightly", stream.environment_class, {})
        started = start_seed(session, again, PROTOCOL, "here:1:1", None)
        result = make_result(0.75)
        fields = {"estimates": {"rate": 0.75, "slope": 0.2}}
        controls = {**result.controls, "refused": result.controls["learned"]._replace(value=0.0)}
        whole = type(result)(**fields, controls=controls)
        finish_seed(session, started, PROTOCOL, whole, 50.0, cpu_s=31.0)
    page = write(filled, "--no-figures")
    assert "| wall seconds a seed | 40 (40 to 50) |" in page
    assert "| CPU seconds a seed | 31 (31 to 31) |" in page


@pytest.mark.parametrize("name", list(MODULES))
def test_every_experiment_has_a_page_also_where_nothing_was_measured(
    session: Session, tmp_path: Path, name: str
) -> None:
    """Seeds that gave their estimates and nothing else, as another profile's paths look."""
    experiment: Any = load_experiment(name)
    protocol = experiment.PROTOCOL
    fill_stream(session, protocol, say(protocol, seeds=12))
    page = write_results(session, name, tmp_path, has_figures=False).page.read_text()
    shown = getattr(experiment, "SHOWN", Showing())
    missing = sum(
        not row.path.startswith(("estimates.", "controls.")) for row in shown.source_numbers
    )
    assert page.count("| not measured in this profile |") == missing
    assert page.count(": not measured in this profile.") == len(shown.curves)
    for reading in protocol.readings:
        assert f"- **{reading.name}, " in page
    assert set(shown.means) <= {"all", *(reading.name for reading in protocol.readings)}


# --- What it is made of ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("a.0.5.x", 1.0),  # a key with a dot in it
        ("a.list.1", 7.0),
        ("a.yes", None),  # a truth is no number
        ("a.words", None),
        ("a", None),
        ("a.0.x", None),
        ("a.list.9", None),
        ("b", None),
        ("", None),
    ],
)
def test_a_path_names_a_number_or_nothing(path: str, number: float | None) -> None:
    document = {"a": {"0.5": {"x": 1}, "list": [3, 7], "yes": True, "words": "x", "0": {"5": 2}}}
    assert find_number(document, path) == number


def test_a_path_backs_out_of_a_key_that_leads_nowhere() -> None:
    assert find_number({"a.b": {"d": 1}, "a": {"b": {"c": 2}}}, "a.b.c") == 2


def test_a_trace_is_what_was_said_after_each_seed(session: Session, fake: FakeExperiment) -> None:
    estimates = [{"rate": 0.6 + 0.05 * (j % 4), "slope": 0.1 - 0.02 * j} for j in range(12)]
    stream = fill_stream(session, PROTOCOL, estimates)
    result = read_state(session, stream, PROTOCOL)
    runs = read_counted(session, stream)
    rate, slope = trace_intervals(PROTOCOL, runs, result.night_effect)
    assert rate.counts == tuple(range(1, 13)) and slope.values[0] == 0.1
    for n in (1, 5, 12):
        columns = [[row[e.name] for row in estimates[:n]] for e in PROTOCOL.estimands]
        state = read_stream(PROTOCOL.estimands, columns, PROTOCOL.alpha).estimands
        assert (rate.lows[n - 1], rate.highs[n - 1]) == (state[0].low, state[0].high)
        assert (slope.lows[n - 1], slope.highs[n - 1]) == (state[1].low, state[1].high)
    assert rate.lows[-1] == result.state.estimands[0].low
    assert trace_intervals(PROTOCOL, [], result.night_effect)[0].counts == ()


@given(st.integers(1, 5000))
def test_a_trace_has_its_ends_and_few_points(seeds: int) -> None:
    counts = choose_counts(seeds)
    assert (counts[0], counts[-1]) == (1, seeds)
    assert len(counts) <= MOST_POINTS and list(counts) == sorted(set(counts))


def test_large_evidence_is_no_row_of_digits() -> None:
    assert [format_evidence(v) for v in (1e299, 1234.0, 20.5, None)] == [
        "over a million", "1,234", "20.5", "not recorded",
    ]  # fmt: skip


# --- Figures --------------------------------------------------------------------------------------

ESTIMAND = EstimandFigure(
    title="e01 rate: 0.75 [0.6, 0.9], 3 seeds", unit="share", values=(0.7, 0.8, 0.75),
    counts=(1, 2, 3), lows=(0.0, 0.2, 0.3), highs=(1.0, 1.0, 0.95), region=(0.5, None), margin=0.1,
    bounds=(0.0, 1.0), alpha=0.05,
)  # fmt: skip


def read_size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("region", [(0.5, None), (None, 0.5), (0.4, 0.6)])
def test_an_estimand_is_drawn_whatever_its_region(n: int, region: Any) -> None:
    figure = EstimandFigure(
        **{
            **vars(ESTIMAND), "region": region,
            **{name: getattr(ESTIMAND, name)[:n] for name in ("values", "counts", "lows", "highs")},
        }
    )  # fmt: skip
    picture = draw_estimand(figure)
    assert min(read_size(picture)) > 500 and picture == draw_estimand(figure)


def test_an_open_interval_and_unbounded_data_are_drawn() -> None:
    infinite = float("inf")
    figure = EstimandFigure(
        **{**vars(ESTIMAND), "bounds": None, "lows": (-infinite,) * 3, "highs": (infinite,) * 3}
    )
    assert read_size(draw_estimand(figure))
    bottom, top = find_limits(figure)
    assert bottom < 0.4 and top > 0.8


def test_limits_stay_at_the_bounds_of_the_data() -> None:
    bottom, top = find_limits(ESTIMAND)
    assert -0.1 < bottom < 0.3 and 0.95 < top < 1.1


@pytest.mark.parametrize("series", [1, 10])
@pytest.mark.parametrize("is_log", [False, True])
def test_curves_are_drawn_with_room_for_every_label(series: int, is_log: bool) -> None:
    figure = CurveFigure(
        "Rate by size", "size", "rate of answers that are right on the whole of the set",
        tuple(
            (f"arm {n} of an experiment", tuple(
                Point(x, 0.1 * n, 0.1 * n - 0.05, 0.1 * n + 0.05) for x in (1.0, 8.0, 64.0)
            ))
            for n in range(series)
        ),
        is_log, seeds=12,
    )  # fmt: skip
    picture = draw_curve(figure)
    assert picture == draw_curve(figure)
    assert read_size(picture)[1] >= (660 if series == 1 else 700), "it grows with its legend"


def test_texts_of_a_figure_do_not_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tick labels among each other, and the legend with the axes."""
    from reassay.results import figures

    drawn: list[Any] = []
    close = figures._close
    monkeypatch.setattr(figures, "_close", lambda c, a: (drawn.append((c, a)), close(c, a))[1])
    places = (1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
    series = tuple(
        (f"a label of the series number {n}", tuple(Point(x, x, x, x) for x in places))
        for n in range(9)
    )
    draw_curve(CurveFigure("T " * 60, "samples an item", "rate", series, False, 3))
    draw_estimand(ESTIMAND)
    for canvas, axes in drawn:
        renderer = canvas.get_renderer()
        labels = [t.get_window_extent(renderer) for t in axes.get_xticklabels() if t.get_text()]
        ordered = sorted(labels, key=lambda box: box.x0)
        assert all(a.x1 < b.x0 for a, b in pairwise(ordered))
        (legend,) = canvas.figure.legends
        assert not legend.get_window_extent(renderer).overlaps(axes.get_tightbbox(renderer))
        title = canvas.figure._suptitle.get_window_extent(renderer)
        assert not title.overlaps(axes.get_tightbbox(renderer)) and title.x1 < canvas.figure.bbox.x1


def test_ticks_keep_apart_and_name_both_ends() -> None:
    assert choose_ticks([1, 2, 4, 8, 16, 32, 64], is_log=True) == [1, 2, 4, 8, 16, 32, 64]
    assert choose_ticks([1, 2, 4, 8, 16, 32, 64], is_log=False) == [1, 8, 16, 32, 64]
    assert choose_ticks([0, 98, 99, 100], is_log=False) == [0, 100]
    assert choose_ticks([3], is_log=True) == [3] and choose_ticks([], is_log=False) == []


def test_names_of_pictures_are_plain() -> None:
    assert name_picture("c01", None, "gap_composition") == "c01-gap-composition.png"
    assert name_picture("c01", "full", "R=0.16/x") == "c01-full-r-0-16-x.png"


# --- The command ----------------------------------------------------------------------------------


def test_the_command_lists_what_it_wrote(filled: Path, capsys: Capture) -> None:
    out = filled.parent / "elsewhere"
    (row,) = read(capsys, "results", "c1", "--out", str(out))
    assert row["experiment"] == "e01" and Path(row["page"]) == out / "e01.md"
    assert [Path(p).exists() for p in row["pictures"]] == [True, True, True]
    code, said, _ = reassay(capsys, "results", "--no-figures")
    assert code == 0 and said.splitlines() == [str(filled / "results" / "e01.md")]


def test_without_matplotlib_one_line_says_what_to_install(
    filled: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = reassay(capsys, "results", "c1")
    assert (code, out) == (2, "") and len(err.strip().splitlines()) == 1
    assert "pip install 'reassay[plots]'" in err and "--no-figures" in err
    assert reassay(capsys, "results", "c1", "--no-figures")[0] == 0


def test_a_folder_that_cannot_be_written_is_one_line(filled: Path, capsys: Capture) -> None:
    file = filled.parent / "file"
    file.write_text("x")
    code, _, err = reassay(capsys, "results", "c1", "--no-figures", "--out", str(file))
    assert code == 1 and "cannot write" in err and len(err.strip().splitlines()) == 1


def test_looking_at_re_tests_loads_neither_torch_nor_matplotlib(tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from reassay.cli import run\n"
        "for command in ('list', 'history c04', 'samples c04', 'explain c03'):\n"
        "    assert run(['retest', *command.split()]) in (0, 1)\n"
        "print('\\n' + json.dumps(sorted({'torch', 'matplotlib', 'langchain'} & set(sys.modules))))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout.splitlines()[-1] == "[]"

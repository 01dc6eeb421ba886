"""What an attacker in arXiv's place can reach: ids, addresses, memory, texts, the pace."""

import ast
import re
import subprocess
import sys
import textwrap
import unicodedata
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import select

from claims.arxiv_ids import find_anchor_ids, find_marked_ids, parse_arxiv_id
from db.engine import open_session
from db.errors import SourceUnavailable, UsageError
from db.models import Paper
from ingest.papers import store_papers
from ingest.sources import politeness
from ingest.sources.arxiv_api import ArxivApi
from ingest.sources.feed_checks import NotAFeed, check_feed
from ingest.sources.politeness import Clock, RequestPacer, backoff_s, read_retry_after
from ingest.sources.records import Question
from reassay.settings import read_settings
from tests import arxiv_faults as faults
from tests.arxiv_server import (
    ArxivServer,
    FakeClock,
    InventedPaper,
    feed,
    run_arxiv_server,
)

ROOT = Path(__file__).parent.parent
AN_ID = re.compile(r"[0-9]{4}\.[0-9]{4,5}|[a-z]+(-[a-z]+)*(\.[A-Z]{2})?/[0-9]{7}", re.ASCII)
PAPER = InventedPaper("2611.00001", "2026-11-21")
ALMOST_IDS = st.one_of(
    st.text(),
    st.from_regex(
        r"(arXiv:|https?://arxiv\.org/abs/|\(|)\d{4}\.\d{4,5}(v\d+)?.{0,5}", fullmatch=True
    ),
    st.from_regex(r"\w[\w.-]*/\d{7}(v\d)?.{0,5}", fullmatch=True),
    st.builds(lambda a, b: f"{a}2602.00042{b}", st.text(max_size=5), st.text(max_size=5)),
)


@given(ALMOST_IDS)
@example("٢٣٠١.٠٠٠٠١")  # digits to Python, and to no URL of arXiv's
@example("2602.00042\n")
@example("2602.00042&max_results=9")
@example("2602.00042,2602.00043")
@example("../2602.00042")
@example("math/../0601001")
def test_nothing_but_an_id_is_taken_for_one(text: str) -> None:
    spans = [*find_marked_ids(text), *find_anchor_ids(text)]
    for found in [parse_arxiv_id(text), *(span.arxiv_id for span in spans)]:
        if found is not None:
            assert AN_ID.fullmatch(found.id)
            assert not {"..", "\\", "%", "?", "&", "#"} & set(found.id)
            assert found.id.count("/") <= 1


@given(st.lists(ALMOST_IDS, min_size=1, max_size=4))
def test_only_ids_reach_the_address(ids: list[str]) -> None:
    from ingest.sources.arxiv_api import _build_search, _CheckedClient

    client = _CheckedClient("http://127.0.0.1/api/query", 10, lambda url, start: None)  # type: ignore[arg-type, return-value]
    url = client._format_url(_build_search(Question("anchors", ids=tuple(ids))), 0, 10)
    assert urlsplit(url).netloc == "127.0.0.1"
    asked = parse_qs(urlsplit(url).query).get("id_list", [])
    assert all(AN_ID.fullmatch(one) for listed in asked for one in listed.split(","))


# Modules that may send a request, and what else may look at the network at all.
SENDERS = {"ingest/sources/exchange.py"}
NETWORK = {"httpx", "requests", "urllib3", "aiohttp", "http.client", "urllib.request", "ftplib"}
CALLERS = {"ingest/sources/patience.py"}
# Where the arxiv package and feeds carry addresses that someone else chose.
FOREIGN_ADDRESSES = {"pdf_url", "links", "href", "entry_id", "doi", "source_url", "next_url"}
FETCHING = {"get", "fetch", "stream", "urlopen", "urlretrieve", "download_pdf", "download_source"}


def find_loose_fetches(file: str, code: str) -> list[str]:
    """Lines that could send a request to an address that an answer named."""
    tree, found = ast.parse(code), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                names = {node.module or ""} | {f"{node.module}.{name}" for name in names}
            roots = {name for name in names if name in NETWORK or name.split(".")[0] in NETWORK}
            if roots and file not in SENDERS:
                found.append(f"{file}:{node.lineno} imports {sorted(roots)[0]}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func.attr
            if called == "get" and "_exchange" in ast.unparse(node.func) and file not in CALLERS:
                found.append(f"{file}:{node.lineno} asks past the patience")
            if called in FETCHING:
                found += [
                    f"{file}:{node.lineno} fetches {part.attr}"
                    for argument in [*node.args, *(k.value for k in node.keywords)]
                    for part in ast.walk(argument)
                    if isinstance(part, ast.Attribute) and part.attr in FOREIGN_ADDRESSES
                ]
                if called.startswith(("download", "url")):
                    found.append(f"{file}:{node.lineno} calls {called}")
        if isinstance(node, ast.Constant) and str(node.value).lower() in {"location", "href"}:
            found.append(f"{file}:{node.lineno} reads {node.value}")
    return found


def test_no_address_from_an_answer_is_fetched() -> None:
    files = sorted((ROOT / "ingest").rglob("*.py"))
    assert len(files) > 20
    loose = [
        line
        for file in files
        for line in find_loose_fetches(str(file.relative_to(ROOT)), file.read_text())
    ]
    assert loose == []


@pytest.mark.parametrize(
    "code",
    [
        "import httpx",
        "from urllib.request import urlopen",
        "from urllib import request",
        "def f(self, result): return self._patience.fetch(result.pdf_url, read)",
        "def f(self, result): return self._exchange.get('http://' + x, 3)",
        "def f(client, entry): client.get(url=base + entry.links[0].href)",
        "def f(result): result.download_pdf()",
        "def f(self, answer): return self.again(answer.headers['Location'])",
    ],
)
def test_the_search_for_loose_fetches_finds_them(code: str) -> None:
    assert find_loose_fetches("ingest/sources/planted.py", code)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def open_api(server: ArxivServer, home: Path, clock: FakeClock) -> ArxivApi:
    ticks = Clock(clock.sleep, clock.monotonic, clock.wall)
    return ArxivApi(server.url, RequestPacer(home, 3.0, ticks), contact="curator@example.org")


def test_hostile_texts_are_cleaned_before_they_are_stored(
    engine: Engine, tmp_path: Path, clock: FakeClock
) -> None:
    with run_arxiv_server([faults.hostile_paper(PAPER)]) as server:
        records = list(open_api(server, tmp_path, clock).answer(Question("recent", "any")))
    store_papers(engine, records, "api")
    with open_session(engine) as session:
        paper = session.exec(select(Paper)).one()
    for text in (paper.title, paper.abstract, paper.comment or "", *paper.authors):
        kinds = {unicodedata.category(character) for character in text}
        assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert "<script>alert(1)</script>" in paper.title  # kept as text; pages escape it


LONG = {
    "title": ("<title>", "<title>" + "x " * 2_000),
    "abstract": ("<summary>", "<summary>" + "x " * 20_000),
    "comment": ("<title>", "<arxiv:comment>" + "x" * 6_000 + "</arxiv:comment><title>"),
    "authors": ("<title>", "<author><name>A</name></author>" * 10_001 + "<title>"),
    "author's name": ("B. Made-Up", "B" * 2_000),
}


@pytest.mark.parametrize("name", LONG)
def test_texts_that_no_paper_has_are_refused(name: str) -> None:
    checked = check_feed(feed([PAPER.entry().replace(*LONG[name])], 1))
    assert [left.arxiv_id for left in checked.left_out] == ["2611.00001"]
    assert len(checked.left_out[0].sentence) < 200


def test_categories_are_categories(tmp_path: Path, clock: FakeClock) -> None:
    odd = ("cs.CL", "<script>", "../../etc", "cs.AI\u202e", "math", "q-bio.QM", "x" * 99)
    with run_arxiv_server([InventedPaper("2611.00001", "2026-11-21")]) as server:
        body = feed([PAPER.entry().replace('<category term="cs.CL"/>', "".join(
            f'<category term="{term.replace("<", "&lt;")}"/>' for term in odd
        ))], 1)  # fmt: skip
        server.always = faults.send(body)
        (record,) = open_api(server, tmp_path, clock).answer(Question("recent", "any"))
    assert record.categories == ("cs.CL", "math", "q-bio.QM", "cs.LG")


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_no_bytes_get_past_the_checks_unseen(noise: bytes) -> None:
    with pytest.raises(NotAFeed):
        check_feed(noise)
    body = feed([PAPER.entry()], 1)
    middle = len(body) // 2
    try:
        checked = check_feed(body[:middle] + noise + body[middle:])
    except NotAFeed:
        return
    assert checked.entries <= 1 or checked.left_out


@given(
    st.datetimes().map(str)
    | st.text()
    | st.from_regex(r"\d{1,5}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d|Z)?")
)
def test_any_day_of_publication_is_read_or_named(moment: str) -> None:
    from xml.sax.saxutils import escape

    entry = re.sub("<published>[^<]*", lambda _: f"<published>{escape(moment)}", PAPER.entry())
    try:
        checked = check_feed(feed([entry], 1))
    except (NotAFeed, UnicodeEncodeError):  # not a document at all
        return
    from arxiv._feed import parse  # type: ignore[import-untyped]

    assert len(parse(checked.body).results) + len(checked.left_out) == 1


ATTACKS = {
    "a hundred megabytes": "faults.endless",
    "a gzip bomb": "faults.bomb(512)",
    "a gzip bomb in a gzip bomb": "faults.bomb(512, layers=2)",
    "billion laughs": "faults.send(faults.laugh())",
    "deep nesting": "faults.send(faults.DEEP)",
    "half a million tags": "faults.send(faults.MANY_TAGS)",
    "a page of tags as large as a body may be": "faults.send(faults.feed(['<a/>' * 2_090_000], 1))",
}
MOST_GROWTH_MIB = 120


@pytest.mark.parametrize("name", ATTACKS)
def test_memory_stays_bounded(name: str, tmp_path: Path) -> None:
    """The server runs here, the client in a process whose memory is measured."""
    code = """
        import resource, sys
        from pathlib import Path
        from db.errors import SourceUnavailable
        from ingest.sources.arxiv_api import open_arxiv_api
        from ingest.sources.records import Question
        api = open_arxiv_api(Path(sys.argv[1]), sys.argv[2], 0.0, "")
        list(api.answer(Question("recent", "any")))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            list(api.answer(Question("recent", "any")))
        except SourceUnavailable as error:
            print(error, file=sys.stderr)
            print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """
    with run_arxiv_server([PAPER]) as server:
        server.queue(None)
        server.always = eval(ATTACKS[name], {"faults": faults})
        answer = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), server.url],
            capture_output=True, text=True, check=True, cwd=ROOT, timeout=60,
        )  # fmt: skip
    assert answer.stderr.startswith("arXiv sent")
    assert float(answer.stdout) < MOST_GROWTH_MIB


def test_two_sources_of_a_home_keep_to_one_connection(tmp_path: Path, clock: FakeClock) -> None:
    """Of one process or of two, through the query API or another interface."""
    with run_arxiv_server([PAPER]) as server:
        sources = [open_api(server, tmp_path, clock) for _ in range(2)]
        for source in sources * 3:
            assert list(source.answer(Question("recent", "any")))
        assert server.most_connections == 1
        assert all(asked.headers["Connection"] == "close" for asked in server.asked)


def test_the_rule_stands_where_it_is_kept() -> None:
    rule = " ".join((politeness.__doc__ or "").split())
    for part in ("arXiv's terms of use", "one request every three seconds", "single connection"):
        assert part in rule


@given(st.integers(0, 60), st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_ten_minutes_and_jitter_adds_a_quarter(attempt: int, draw: float) -> None:
    wait_s = backoff_s(attempt, 3.0, lambda: draw)
    base_s = min(60 * 2.0**attempt, 600)
    assert base_s <= wait_s <= base_s * 1.25
    assert backoff_s(attempt + 1, 3.0, lambda: 0.0) >= base_s


def test_the_jitter_spreads_clients() -> None:
    waits = [backoff_s(0, 3.0) for _ in range(400)]
    assert 60 <= min(waits) < 62 < 73 < max(waits) < 75


@given(
    st.text()
    | st.integers().map(str)
    | st.datetimes().map(lambda d: f"{d:%a, %d %b %Y %H:%M:%S} GMT")
)
@example("Tue, 24 Nov 99999999999999999999 06:00:30 GMT")
@example("Tue, 24 Nov 2026 06:00:30 -99999999999999999")
@example("9" * 5000)
def test_any_retry_after_is_read(value: str) -> None:
    wanted_s = read_retry_after(value, 1.8e9)
    assert wanted_s is None or wanted_s >= 0


def test_a_question_ends_in_time_whatever_comes(tmp_path: Path, clock: FakeClock) -> None:
    with run_arxiv_server([PAPER]) as server:
        server.always = faults.send(b"", 503, Retry_After="30")
        api = open_api(server, tmp_path, clock)
        with pytest.raises(SourceUnavailable):
            list(api.answer(Question("recent", "any")))
        assert sum(clock.slept) <= 180
        assert [float(gap) for gap in clock.slept] == [30.0] * 3
        agent = server.asked[0].headers["User-Agent"]
        assert "curator@example.org" in agent


@pytest.mark.parametrize("delay", ["0", "2.99", "-1", "nan"])
@pytest.mark.parametrize(
    "url",
    [
        "https://export.arxiv.org/api/query",
        "http://127.0.0.1@export.arxiv.org/api/query",
        "http://127.0.0.1.example.org/",
        "http://localhost.example.org/",
    ],
)
def test_a_public_host_is_never_asked_faster(delay: str, url: str) -> None:
    environment = {
        "REASSAY_ARXIV_DELAY_S": delay,
        "REASSAY_ARXIV_API_URL": url,
        "REASSAY_ARXIV_OAI_URL": "http://127.0.0.1:9/oai",
    }
    with pytest.raises(UsageError) as refusal:
        read_settings(environment, {})
    assert "\n" not in str(refusal.value)
    assert "arxiv_delay_s" in str(refusal.value)


def test_the_stamp_is_replaced_in_one_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed while it writes must not leave a home without a pace."""
    clock = FakeClock()
    pacer = RequestPacer(tmp_path, 3.0, Clock(clock.sleep, clock.monotonic, clock.wall))
    with pacer.turn(60):
        pacer.stand_back(600)
    before = (tmp_path / politeness.STAMP_FILE).read_text()

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr("os.pwrite", die)
    clock.now_s += 601
    with pytest.raises(Killed), pacer.turn(60):
        pass
    assert (tmp_path / politeness.STAMP_FILE).read_text() == before

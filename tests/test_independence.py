"""Which papers are one source, and what a text says was measured on what."""

from hypothesis import given
from hypothesis import strategies as st

from claims.benchmarks import find_benchmarks, find_families
from claims.independence import Source, group_sources, read_source


def make_source(arxiv_id: str, authors: str = "", text: str = "") -> Source:
    return read_source(arxiv_id, authors.split(), "On kettles", text)


def test_papers_with_nothing_in_common_are_two_sources() -> None:
    one = make_source("2501.00001", "ada", "Qwen3 on GSM8K.")
    other = make_source("2501.00002", "bob", "Llama-3 on GSM8K.")
    assert len(group_sources([one, other])) == 2


def test_a_shared_author_makes_one_source_whatever_the_spelling_of_spaces() -> None:
    one = read_source("2501.00001", ["Ada  Lovelace"], "", "")
    other = read_source("2501.00002", ["ada lovelace", "Bob"], "", "")
    assert group_sources([one, other]) == [{"2501.00001", "2501.00002"}]


def test_the_same_family_on_the_same_benchmark_is_one_source() -> None:
    one = make_source("2501.00001", "ada", "Qwen2.5 reaches 93.1 % on GSM-8K.")
    other = make_source("2501.00002", "bob", "On GSM8K, Qwen3 and Llama-3 differ.")
    assert len(group_sources([one, other])) == 1


def test_a_chain_is_one_source() -> None:
    chain = [make_source("1", "a b"), make_source("2", "c d"), make_source("3", "b c")]
    assert len(group_sources(chain)) == 1


@given(
    st.permutations(range(6)),
    st.lists(st.sets(st.integers(0, 4), max_size=3), min_size=6, max_size=6),
)
def test_the_order_of_papers_does_not_matter(order: list[int], authors: list[set[int]]) -> None:
    sources = [
        make_source(f"2501.0000{n}", " ".join(f"author{a}" for a in group))
        for n, group in enumerate(authors)
    ]
    groups = {frozenset(group) for group in group_sources(sources)}
    assert {frozenset(g) for g in group_sources([sources[n] for n in order])} == groups
    assert sum(map(len, groups)) == 6


def test_names_are_found_as_wholes() -> None:
    text = "GPT-4o, phi as an angle, Claude, and Llama-3.1-8B on MATH-500, FooBench, AIME24."
    assert find_benchmarks(text) == {"math", "foobench", "aime"}
    assert find_families(text) == {"gpt", "claude", "llama"}
    assert find_benchmarks("mathematics, VQA and KGQA") == frozenset()


def test_a_key_says_what_was_compared() -> None:
    key = make_source("2603.00001", "ada", "Qwen on GSM8K.").key
    assert key.startswith("2603.00001 · authors ")
    assert key.endswith("gsm8k · qwen")

"""The command line's contents: where each command lives and what one line says of it.

The table is data so that ``--help`` and a query command import nothing that they do not
run.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One command: ``module:function``, and its line in the help of its group."""

    target: str
    help: str


COMMANDS: dict[str, Entry | dict[str, Entry]] = {
    "init": Entry("reassay.commands.init:init", "Create the home directory and the database."),
    "import": Entry(
        "claims.commands.import_documents:import_documents",
        "Read documents into lines, notes, claims, findings, anchors and tasks.",
    ),
    "claims": {
        "list": Entry(
            "claims.commands.list_claims:list_claims_command", "Claims and their headlines."
        ),
        "show": Entry("claims.commands.show:show", "One claim with its sources."),
        "search": Entry(
            "claims.commands.search:search", "Claims, notes and papers that match a text."
        ),
        "export": Entry(
            "claims.commands.export:export", "The library as JSON, CSV, BibTeX, TriG or a patch."
        ),
        "restore": Entry("claims.commands.restore:restore", "A JSON export into an empty library."),
        "history": Entry(
            "claims.commands.history:history", "Revisions, edits and verdicts of a claim."
        ),
        "reword": Entry("claims.commands.reword:reword", "Give a claim a new wording."),
        "edit": Entry("claims.commands.edit:edit", "Change a claim's insight, limit or scope."),
        "split": Entry("claims.commands.split:split", "Make several claims of one."),
        "merge": Entry("claims.commands.merge:merge", "Make one claim of two."),
        "retire": Entry("claims.commands.retire:retire", "Take a claim out of force."),
        "undo": Entry("claims.commands.undo:undo", "Take the last edit back."),
        "audit": Entry("ingest.commands.audit:audit", "Claim and source sentence side by side."),
        "anchor": Entry("claims.commands.anchor:anchor", "Tie a paper to a claim's note."),
        "impact": Entry(
            "claims.commands.impact:impact", "The lines and findings that lean on a claim."
        ),
        "contradictions": Entry(
            "claims.commands.contradictions:contradictions",
            "Confirmed stances that point opposite ways.",
        ),
        "stale": Entry(
            "claims.commands.stale:stale", "Claims not searched for, or about old models."
        ),
    },
    "papers": {
        "load": Entry("ingest.commands.load_papers:load_papers", "Load arXiv metadata files."),
        "fetch": Entry(
            "ingest.commands.fetch_texts:fetch_texts", "Fetch full texts of stored papers."
        ),
        "show": Entry("ingest.commands.show_paper:show_paper", "One paper of the store."),
        "search": Entry("ingest.commands.search_papers:search_papers", "Papers that match."),
    },
    "ingest": {
        "poll": Entry("ingest.commands.poll:poll", "Ask arXiv for papers since a day."),
        "triage": Entry("ingest.commands.triage:triage", "Rank stored papers against claims."),
        "judge": Entry("ingest.commands.judge:judge", "Propose stances, with quotes."),
        "status": Entry("ingest.commands.status:status", "What was asked of arXiv, and when."),
        "citations": Entry("ingest.commands.citations:citations", "Ask who cites the anchors."),
        "evaluate": Entry(
            "ingest.commands.evaluate:evaluate", "Measure the judge on labelled pairs."
        ),
    },
    "queue": Entry("reassay.commands.queue:queue", "Proposed stances that wait for a person."),
    "decide": Entry(
        "reassay.commands.decide:decide_command", "Confirm or reject a proposed stance."
    ),
    "undo": Entry("reassay.commands.undo_decision:undo", "Take the last decision back."),
    "retest": {
        "list": Entry("retest.commands.list_retests:list_retests", "Experiments and streams."),
        "explain": Entry("retest.commands.explain:explain", "What a re-test fixed beforehand."),
        "run": Entry("retest.commands.run:run", "Run fresh seeds."),
        "history": Entry("retest.commands.history:history", "The seeds of a claim's re-tests."),
        "results": Entry(
            "reassay.commands.results:results", "Pages of results with figures, from the ledger."
        ),
        "samples": Entry("retest.commands.samples:samples", "Items that seeds kept to look at."),
    },
    "report": Entry("reports.commands.report:report", "Write the morning page and line pages."),
    "night": {
        "run": Entry("reassay.commands.night_run:night_run", "The whole night, once."),
        "status": Entry("reassay.commands.night_status:night_status", "The last nights."),
        "serve": Entry("reassay.commands.night_serve:night_serve", "Nights by schedule."),
    },
    "doctor": Entry("reassay.commands.doctor:doctor", "Check the installation and the library."),
}

GROUP_HELP = {
    "claims": "The library's claims.",
    "papers": "The paper store.",
    "ingest": "Newer papers: fetching, ranking, judging.",
    "retest": "Small experiments on claims.",
    "night": "The scheduled main job.",
}

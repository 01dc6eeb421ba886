"""Every error that a caller of reassay may want to handle.

One base class; each subclass carries its exit code and, in its message, what the user
should do next. The front door prints the message as one line and leaves with the code.
"""


class ReassayError(Exception):
    """Base of all errors; the message is one line that says what to do."""

    exit_code = 1


class UsageError(ReassayError):
    """The command line or a setting is wrong."""

    exit_code = 2


class HomeUnwritable(ReassayError):
    """The home directory cannot be created or written."""


class DatabaseUnusable(ReassayError):
    """The database cannot be opened, is not ours, or is damaged."""


class DocumentRefused(ReassayError):
    """A document cannot be imported at all; nothing of it was stored."""


class ClaimNotFound(ReassayError):
    """No claim, or more than one, answers to a handle or slug part."""


class EditRefused(ReassayError):
    """A person's change that the state of the library does not allow; nothing was changed."""


class DecisionRefused(ReassayError):
    """A decision on a stance row that its state does not allow; nothing was changed."""


class ExportRefused(ReassayError):
    """A library that cannot be written in a form, or a file that cannot be restored."""


class ExtraMissing(UsageError):
    """An optional package is not installed."""


class ExecutorUnusable(ReassayError):
    """Where seeds should run is not there, or cannot run our code."""


class LineNotFound(ReassayError):
    """No line, or more than one, answers to a slug part."""


class PaperNotFound(ReassayError):
    """The store has no paper of this arXiv id."""


class AnchorRefused(ReassayError):
    """An arXiv id that cannot be tied to a claim's note."""


class FullTextRefused(ReassayError):
    """A file is no full text of a stored paper; nothing of it was kept."""


class SourceUnavailable(ReassayError):
    """A paper source did not answer, or not completely; the window stays open."""

    exit_code = 3


class QuestionRefused(SourceUnavailable):
    """A paper source finds fault with the question itself; asking again is no use."""


class SnapshotRefused(ReassayError):
    """A snapshot file is missing or is not arXiv metadata, one JSON object a line."""


class GoldRefused(ReassayError):
    """A file of labelled pairs cannot be read."""


class ProtocolChanged(ReassayError):
    """The protocol in code is not the one that was registered under this version."""


class ProtocolRefused(ReassayError):
    """A protocol leaves something open that must be fixed before its first run."""


class SeedRefused(ReassayError):
    """A seed that the stream already holds, or an item-level result."""


class SamplesNotFound(ReassayError):
    """No seed kept samples of this stream, arm or test set."""


class ExperimentNotFound(ReassayError):
    """No experiment bears on the claim, or none has this name."""


class ReportUnwritable(ReassayError):
    """A page of a report cannot be written."""


class NightRunning(ReassayError):
    """Another night holds the lease on this database."""


class NightIncomplete(ReassayError):
    """The night ended, but something that it should have checked was not checked."""

    exit_code = 3

"""What a run would learn that the model in production has not learnt."""

from __future__ import annotations

from agnews.components.corpus_files.corpus_state import CorpusState
from agnews.schemas.model_record import ModelRecord
from agnews.schemas.run_report import SpansSummary


def compare_spans(state: CorpusState, production: ModelRecord | None) -> SpansSummary | None:
    """Compares the spans of a run with those that the model in production has learnt from.

    Args:
        state: What the run reads.
        production: The record of the model in production; None where there is none.

    Returns:
        The spans by what became of them; None where the data is no folder of spans. A span is known by its date, and
        has changed if its training file has another digest.
    """
    if not state.spans:
        return None
    now = state.span_digests
    learnt = production.learnt_from if production else None
    then = learnt.spans if learnt else {}
    gone = [name for name in then if name not in now]
    notes = list(state.notes)
    if production and learnt and learnt.test_digest != state.test_digest:
        notes.append(
            f"{', '.join(state.test)} has changed since version {production.version} was pushed, which may have learnt "
            "from rows in it: the comparison leans towards that version"
        )
    return SpansSummary(
        rows=dict.fromkeys(now),
        since=production.version if production else None,
        new=tuple(name for name in now if name not in then),
        changed=tuple(name for name in now if name in then and then[name] != now[name]),
        # Dates in this form are in the order of their letters.
        left=tuple(name for name in gone if name < state.spans[0]),
        removed=tuple(name for name in gone if name > state.spans[0]),
        notes=tuple(notes),
    )

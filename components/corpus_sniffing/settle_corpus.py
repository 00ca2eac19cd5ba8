"""What can be said of a corpus only once all rows were read as a run reads them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from agnews.components.corpus_files.inspect_corpus import survey
from agnews.components.corpus_files.sources import require_corpus_files
from agnews.components.corpus_sniffing.choose_settings import choose_settings
from agnews.components.corpus_sniffing.propose_corpus import Proposal
from agnews.components.corpus_sniffing.write_description import write_description
from agnews.components.drift.measure_distances import TOLERANCE, measure_distances
from agnews.schemas.corpus_document import parse_corpus
from agnews.schemas.features import TEST, TRAIN

_EVAL_SHARE = 0.05
_SHOWN = 5
_MIN_EXAMPLES, _MIN_CLASS_EXAMPLES = 400, 50


def settle_corpus(proposal: Proposal) -> Proposal:
    """Reads all rows by a proposed description, and adds what they say.

    Args:
        proposal: From `propose_corpus`.

    Returns:
        The same with settings that fit the texts, with floors that the test rows can meet, and with a tolerance for
        what training and test rows as somebody published them differ by.

    Raises:
        AgnewsError: The files cannot be read.
    """
    document: dict[str, Any] = {**proposal.document}
    corpus = parse_corpus(write_description(document, ()), "the proposed description")
    seen, unsure = list(proposal.seen), list(proposal.unsure)
    files = require_corpus_files(str(proposal.root), corpus, None)
    tally = survey(files, corpus, eval_share=_EVAL_SHARE)
    train, test = (tally.feature_counts(split, corpus.num_classes) for split in (TRAIN, TEST))
    floors, fewest = dict(document["floors"]), min(test.label)
    if test.rows < _MIN_EXAMPLES:
        floors["min_examples"] = max(test.rows, 1)
        unsure.append(f"floors.min_examples: {test.rows:,} test rows tell little; a difference of two points is chance")
    if fewest < _MIN_CLASS_EXAMPLES:
        floors["min_class_examples"] = fewest
    if not fewest:
        lacking = [name for name, rows in zip(corpus.class_names, test.label, strict=True) if not rows]
        more = f" and {len(lacking) - _SHOWN:,} more" if len(lacking) > _SHOWN else ""
        unsure.append(
            f"floors.min_class_examples: no test row is of {', '.join(lacking[:_SHOWN])}{more}; nothing will be known "
            "of how well they are found"
        )
    tolerance = {}
    for found in measure_distances(train, test, noise=document["distances"]["noise"], tolerance={}):
        if found.value > found.threshold:
            tolerance[found.feature] = math.ceil(100 * (found.value - found.threshold + TOLERANCE + 0.01)) / 100
            unsure.append(
                f"distances.tolerance.{found.feature}: train and test differ more than chance explains "
                f"({found.value:.3f}, allowed {found.threshold:.3f}); is that meant?"
            )
    document["floors"] = floors
    document["distances"] = {**document["distances"], **({"tolerance": tolerance} if tolerance else {})}
    seen.append(f"{train.rows:,} rows to learn from, {test.rows:,} test rows")
    rejected = sum(map(len, tally.rejects.values()))
    if rejected:
        unsure.append(f"{rejected:,} rows cannot be used; `agnews corpus check` lists them")
    if tally.left_out_as_test:
        seen.append(f"{tally.left_out_as_test:,} training rows left out, since test rows have their texts")
    chosen = choose_settings(
        proposal.texts,
        rows=train.rows,
        language=document["language"],
        class_rows=list(train.label),
        one_class=corpus.label_sets is None,
    )
    document |= {"settings": chosen.settings, "kinds": chosen.kinds, "reasons": chosen.reasons}
    return replace(proposal, document=document, seen=seen, unsure=[*unsure, *chosen.unsure])

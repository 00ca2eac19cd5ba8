"""A version from one store to another: from staging to production."""

from __future__ import annotations

from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.model_store.model_store import ModelStore
from agnews.components.model_store.publish import Push, publish
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_record import ModelRecord

NOT_COMPARED = "compared_with_production"
"""The rule that a copy by force breaks."""


def copy_version(
    source: ModelStore, version: str, target: ModelStore, *, force: bool = False, reason: str = ""
) -> Push:
    """Copies a version and puts it into production there.

    Its files are compared with its digest before, and what was written with it again.

    Args:
        source: Where it is.
        version: Its number.
        target: Where it goes; it gets a number of its own there.
        force: Whether it takes the place of a model that it was not compared with.
        reason: Why, for the trail.

    Returns:
        The version in production there. The same model is not copied twice.

    Raises:
        AgnewsError: There is no such version, its files are not those that were pushed, another model is in production
            there than the one that it was found not worse than, or the target cannot be written.
    """
    record = source.record(version)
    source.require_sound(record)
    current = target.production()
    compared = current is None or current.model_digest in (record.model_digest, _digest_of_judge(source, record))
    if not compared and not force:
        assert current is not None  # noqa: S101 - for the type checker
        raise AgnewsError(
            f"Version {version} was not compared with the model that is in production there.",
            found=f"version {current.version} of {target.uri}; the copy was compared with "
            f"{record.judged_against or 'nothing'}",
            fix="Push there from a run, which compares them, or say --force --reason TEXT.",
        )
    if current is not None and current.classes != record.classes and not force:
        raise AgnewsError(
            f"Version {version} knows other classes than the model in production there.",
            found=f"{', '.join(record.classes)}; there {', '.join(current.classes)}",
            fix="Servers there answer with other names from then on; if that is meant, say --force --reason TEXT.",
        )
    # The record goes by itself, and names the version there.
    paths = [path for path in source.files.files_below(source.folder(version)) if path != RECORD_FILE]
    push = publish(
        target,
        model=source.folder(version),
        extra_files={path: f"{source.folder(version)}/{path}" for path in paths},
        judged_against="" if current is None else current.version,
        fingerprint=record.fingerprint,
        run_id=record.run_id,
        accuracy=record.accuracy,
        classes=record.classes,
        learnt_from=record.learnt_from,
        overruled=record.overruled if compared else (*record.overruled, NOT_COMPARED),
        why="; ".join(filter(None, (reason, f"copied from version {version} of {source.uri}"))),
    )
    if push.withdrawn is not None:
        raise AgnewsError(
            f"The model was withdrawn there: it is version {push.withdrawn.version}, which somebody rolled back from.",
            found=target.uri,
            fix=f"`agnews models rollback --to {push.withdrawn.version}` puts it back into production.",
        )
    return push


def _digest_of_judge(source: ModelStore, record: ModelRecord) -> str:
    """Digest of the model that a version was compared with, where the store still has it."""
    return source.record(record.judged_against).model_digest if record.judged_against in source.versions() else ""

"""Runs a frozen encoder over each row once, and keeps what it says."""

from __future__ import annotations

import hashlib
import io
import logging
import posixpath
import time

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from agnews.components.storage.files_at import files_at
from agnews.components.storage.tidying import tidying
from agnews.components.training.token_rows import FeatureRows, TokenRows
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS
from agnews.schemas.progress import Progress, report_progress

_LOGGER = logging.getLogger(__name__)

_ROWS_IN_A_FILE = 1024
"""So much at most is computed again after a run was killed."""

_BATCH_SIZE = 32
"""On a CPU larger batches are no faster: their activations leave the cache."""

_FOLDERS_KEPT = 8


def extract_features(
    backbone: keras.Model, rows: TokenRows, *, backbone_digest: str, cache_uri: str, node: str = "Trainer"
) -> FeatureRows:
    """Returns the features of all rows, computed now or taken from the cache.

    The cache holds one folder for each combination of backbone and rows, with a file for every 1,024 rows. What a run
    that was killed has computed is taken over. The folders used last are kept, older ones are removed.

    Args:
        backbone: From `{token_ids, padding_mask}` to features float32 (batch, width).
        rows: The rows.
        backbone_digest: Changes whenever the backbone's answers may change.
        cache_uri: Folder or URI of the cache; it need not exist.
        node: Name of the pipeline's node that progress is reported for.

    Returns:
        The features in the order of the rows.
    """
    folder = posixpath.join(cache_uri, _key(rows, backbone_digest))
    encode = tf.function(backbone, reduce_retracing=True)
    # The longest rows come last in a set of rows, and first here: what does not fit into memory fails at once.
    starts = range(0, len(rows), _ROWS_IN_A_FILE)[::-1]
    parts, done, computed, began = {}, 0, 0, time.perf_counter()
    for start in starts:
        chunk = slice(start, min(start + _ROWS_IN_A_FILE, len(rows)))
        file = posixpath.join(folder, f"{start:09d}.npy")
        features = _read(file, chunk.stop - chunk.start)
        if features is None:
            features = _encode(encode, rows, chunk)
            _write(file, features)
            computed += len(features)
        parts[start] = features
        done += len(features)
        rate = computed / (time.perf_counter() - began)
        report_progress(
            Progress(node=node, done=done, total=len(rows), unit="rows encoded", metrics={"rows_per_second": rate})
        )
    _LOGGER.info("Features of %d rows: %d computed, %d from %s", done, computed, done - computed, folder)
    _mark_used(folder)
    _remove_old(cache_uri)
    return FeatureRows(np.concatenate([parts[start] for start in sorted(parts)]), rows.labels)


def _key(rows: TokenRows, backbone_digest: str) -> str:
    facts = hashlib.sha256(backbone_digest.encode())
    facts.update(rows.row_splits.data)
    facts.update(rows.token_ids.data)
    return facts.hexdigest()


def _encode(encode: tf.types.experimental.GenericFunction, rows: TokenRows, chunk: slice) -> npt.NDArray[np.float32]:
    found = []
    for start in range(chunk.start, chunk.stop, _BATCH_SIZE):
        stop = min(start + _BATCH_SIZE, chunk.stop)
        splits = rows.row_splits[start : stop + 1]
        ids = tf.RaggedTensor.from_row_splits(
            rows.token_ids[splits[0] : splits[-1]].astype(np.int32), splits - splits[0], validate=False
        )
        found.append(encode({TOKEN_IDS: ids.to_tensor(), PADDING_MASK: tf.sequence_mask(ids.row_lengths())}).numpy())
    return np.concatenate(found)


def _read(file: str, num_rows: int) -> npt.NDArray[np.float32] | None:
    """Returns the features in a file, or None where it is missing or not whole."""
    try:
        content = files_at(file).read_bytes(file)
        features: npt.NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, OSError) as error:
        _LOGGER.warning("Features in %s are computed again: the file cannot be read (%s)", file, error)
        return None
    if features.dtype != np.float32 or features.ndim != 2 or len(features) != num_rows:
        _LOGGER.warning("Features in %s are computed again: found %s %s", file, features.dtype, features.shape)
        return None
    return features


def _write(file: str, features: npt.NDArray[np.float32]) -> None:
    content = io.BytesIO()
    np.save(content, features)
    # Synced before it gets its name: after a power cut, a file of the right length could be full of zeros.
    files_at(file).write(file, [content.getvalue()])


def _used(folder: str) -> str:
    return posixpath.join(folder, "used")


def _mark_used(folder: str) -> None:
    files_at(folder).write_text(_used(folder), str(time.time()))


def _remove_old(cache_uri: str) -> None:
    files = files_at(cache_uri)
    folders = [posixpath.join(cache_uri, name) for name in files.names(cache_uri)]
    finished = [folder for folder in folders if files.exists(_used(folder))]
    newest_first = sorted(finished, key=lambda folder: -files.state(_used(folder)).changed_ns)
    for folder in newest_first[_FOLDERS_KEPT:]:
        _LOGGER.info("Features in %s are removed: others were used since", folder)
        with tidying(f"The folder {folder}"):
            files.remove(folder)

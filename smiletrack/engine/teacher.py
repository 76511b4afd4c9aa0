"""What a trained re-identification network says of the training crops: embedded once, kept beside them."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smiletrack.data.crops import Crops
from smiletrack.data.identities import IdentityTable
from smiletrack.engine.eval_slm import embed_table
from smiletrack.files import atomic_write
from smiletrack.slm.embedder import load_embedder


def teacher_embeddings(table: IdentityTable, crops: Crops, teacher: str, device: str = "cpu") -> NDArray[np.float32]:
    """Return (N, T) float32 unit rows, what the teacher says of each row of the table.

    Their mean is taken off: networks that end in a ReLU put everybody into one corner of the space, and what tells
    people apart is the way from its centre. The teacher sees the frames themselves, once: its answers are kept in the
    folder of the crops. InputError where it is no usable network.
    """
    embedder = load_embedder(teacher, device)
    name = hashlib.sha256(f"{crops.fingerprint} {embedder.fingerprint}".encode()).hexdigest()[:16]
    file = Path(crops.file).parent / f"teacher-{name}.npy"
    if not file.is_file():
        rows = embed_table([embedder], table)[0][0]
        with atomic_write(file, "wb") as stream:
            np.save(stream, rows.astype(np.float32))
    centred = np.load(file)
    centred = centred - centred.mean(0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12), np.float32)

"""Files of NumPy and Parquet as their own libraries write them, and images as PIL resizes them, for test/data.

Run in the repository's root, with numpy, pyarrow and pillow: python3 scripts/reference/data_files.py
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FOLDER = Path("test/fixtures/data")


def pattern(*shape):
    """Bytes that follow from their place, without a period that a wrong offset could hide behind."""
    i = np.arange(np.prod(shape), dtype=np.uint64)
    return ((i * i * 31 + i * 7 + (i >> 5)) % 256).astype(np.uint8).reshape(shape)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def arrays():
    labels = np.arange(10) % 3
    np.savez(
        FOLDER / "keras.npz",
        x_train=pattern(10, 4, 5),
        y_train=labels.astype(np.uint8),
        x_test=pattern(4, 4, 5),
        y_test=np.array([2, 1, 0, 1], np.uint8),
    )
    np.savez_compressed(
        FOLDER / "named.npz",
        ids=np.arange(30, dtype=np.int64).reshape(10, 3),
        scale=np.linspace(0, 1, 20, dtype=np.float64).reshape(10, 2),
        target=labels.reshape(10, 1),
    )
    np.savez_compressed(FOLDER / "colour.npz", x=pattern(5, 6, 7, 3), y=labels[:5].astype(np.int32))
    np.savez(FOLDER / "regression.npz", x_train=pattern(3, 8), y_train=np.eye(3, 2, dtype=np.float32))
    for name, value in {
        "objects": np.array([{"a": 1}, None], dtype=object),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "big-endian": np.arange(3, dtype=">f4"),
        "text": np.array(["a", "bc"]),
        "records": np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]),
    }.items():
        np.save(FOLDER / f"{name}.npy", value, allow_pickle=True)
    # 64 KiB of zeros that say they are 4 GiB.
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("x.npy"), bytes(1 << 16), zipfile.ZIP_DEFLATED)
    whole = bytearray(bomb.getvalue())
    central = whole.rindex(b"PK\x01\x02")
    whole[central + 24 : central + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    (FOLDER / "bomb.npz").write_bytes(whole)


def parquet(name, labels, features=None, column="image", codec="snappy", cells=None, label="label"):
    if cells is None:
        cells = [png(pattern(6, 8, 3) // 2 + np.uint8(i * 9)) for i in range(len(labels))]
    rows = [{"bytes": cell, "path": f"{i}.png"} for i, cell in enumerate(cells)]
    images = pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    table = pa.table({column: images, label: pa.array(labels)})
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=4, compression=codec)


def tables():
    named = {"label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}
    parquet("hub/data/train-00000-of-00002.parquet", [0, 1, 2, 0, 1, 2], named)
    parquet("hub/data/train-00001-of-00002.parquet", [2, 1, 0], named, codec="zstd")
    parquet("hub/data/validation-00000-of-00001.parquet", [1, 0], named, codec="none")
    parquet("single.parquet", [0, 1] * 6, column="img")
    parquet("unlabelled.parquet", [-1, -1])
    parquet("outside.parquet", [0, 3], named)
    parquet("wrong-columns.parquet", [0, 1], column="picture", label="fine_label")
    whole = png(pattern(6, 8, 3))
    parquet("broken.parquet", [0, 1, 0, 1], cells=[whole, whole[:60], whole, whole])
    parquet("paths.parquet", [0, 1], cells=[None, None])


def targets():
    """Columns of numbers and of lists beside the images: one of times, one of names, one with gaps, one of lists of several lengths."""
    rows = [{"bytes": png(pattern(6, 8, 3) // 2 + np.uint8(i * 9)), "path": f"{i}.png"} for i in range(10)]
    columns = {
        "image": pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "age": pa.array([20.5 + i for i in range(10)], pa.float32()),
        "colour": pa.array([i % 3 for i in range(10)], pa.int32()),
        "bbox": pa.array([[i, i + 1, i + 2, i + 3.5] for i in range(10)], pa.list_(pa.float64())),
        "tags": pa.array([[i % 2, 1 - i % 2] for i in range(10)], pa.list_(pa.int64())),
        "points": pa.array([[0.0] * (1 + i % 2) for i in range(10)], pa.list_(pa.float32())),
        "gaps": pa.array([None if i == 4 else i for i in range(10)], pa.int64()),
        "when": pa.array([1_000_000 * i for i in range(10)], pa.timestamp("us")),
        "name": pa.array([f"n{i}" for i in range(10)]),
    }
    pq.write_table(pa.table(columns), FOLDER / "targets.parquet", row_group_size=4)


def masks():
    """Class ids in a palette and in single bits, as PIL holds them, and made to fit: the shorter side to 27, then the middle 20 x 20."""
    y, x = np.mgrid[0:60, 0:90]
    ids = ((x // 7 + y // 5) % 21).astype(np.uint8)
    ids[(x - 40) ** 2 + (y - 30) ** 2 < 100] = 255
    image = Image.fromarray(ids, "P")
    image.putpalette([int(v) for v in pattern(768)])
    image.save(FOLDER / "mask.png")
    np.save(FOLDER / "mask.npy", ids)
    np.save(FOLDER / "mask-pil.npy", np.asarray(image.resize((40, 27), Image.NEAREST).crop((10, 4, 30, 24))))
    few = (ids % 4).astype(np.uint8)
    image = Image.fromarray(few, "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(FOLDER / "mask-2-bits.png", bits=2)
    np.save(FOLDER / "mask-2-bits.npy", few)
    Image.fromarray(ids % 2 == 1).save(FOLDER / "mask-1-bit.png")
    np.save(FOLDER / "mask-1-bit.npy", (ids % 2).astype(np.uint8))


def resized():
    """An image, smooth in red and green and rough in blue, and what PIL makes of it: the shorter side to 27, then the middle 20 x 20."""
    y, x = np.mgrid[0:60, 0:90]
    channels = [np.sin(x / 7) * 90 + 128, np.cos(y / 5) * 90 + 128, pattern(60, 90)]
    image = np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8)
    (FOLDER / "photo.png").write_bytes(png(image))
    small = Image.fromarray(image).resize((40, 27), Image.BILINEAR).crop((10, 4, 30, 24))
    (FOLDER / "photo-pil.png").write_bytes(png(np.asarray(small)))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    arrays()
    tables()
    targets()
    masks()
    resized()

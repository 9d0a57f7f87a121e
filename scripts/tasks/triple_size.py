"""Pictures for the net of the ONNX model zoo that triples the size of pictures.

    python3 triple_size.py MODELS DATA PICTURES...

Writes DATA/triple-size-train.npz and DATA/triple-size-test.npz for MODELS/superres-onnxzoo.onnx: `input` float32
[N, 1, 224, 224], the luma of a picture from 0 to 1; `target` [N, 1, 672, 672], the same picture three times as large.
Every fourth of PICTURES is for testing. It needs NumPy, Pillow and onnxruntime.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

LARGE, SMALL = 672, 224


def luma(picture):
    return np.asarray(picture, np.float32)[None] / 255


def signal_to_noise(found, large):
    return float(np.mean(-10 * np.log10(((found.clip(0, 1) - large) ** 2).mean((1, 2, 3)))))


def main(models, data, paths):
    random = np.random.default_rng(1)
    parts = {"train": [], "test": []}
    for i, path in enumerate(sorted(paths)):
        whole = Image.open(path).convert("L")
        if min(whole.size) < LARGE:
            continue
        for _ in range(2):
            x, y = (int(random.integers(edge - LARGE + 1)) for edge in whole.size)
            large = whole.crop((x, y, x + LARGE, y + LARGE))
            parts["train" if i % 4 else "test"].append((large.resize((SMALL, SMALL), Image.BICUBIC), large))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(models / "superres-onnxzoo.onnx", options)
    for part, pairs in parts.items():
        small, large = (np.stack([luma(p) for p in pictures]) for pictures in zip(*pairs))
        np.savez_compressed(data / f"triple-size-{part}.npz", input=small, target=large)
        found = np.concatenate([session.run(None, {"input": row[None]})[0] for row in small])
        plain = np.stack([luma(p.resize((LARGE, LARGE), Image.BICUBIC)) for p, _ in pairs])
        print(f"{part}: {len(pairs)} pictures, PSNR {signal_to_noise(found, large):.2f} dB", end=", ")
        print(f"bicubic {signal_to_noise(plain, large):.2f} dB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]])

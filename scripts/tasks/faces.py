"""Pictures with and without faces, cut out of a few photographs, and the faces that UltraFace and YuNet find in them.

    python3 faces.py MODELS DATA PICTURES...

reads MODELS/ultraface-version-RFB-320.onnx and MODELS/yunet_n_dynamic.onnx. It writes pictures of 320 x 240 to
DATA/faces/train and DATA/faces/test, and of 320 x 320 to DATA/faces-square/train and DATA/faces-square/test; and the
same as pixels, uint8 in RGB, in DATA/faces-{train,test}.npz and DATA/faces-square-{train,test}.npz. There `boxes`,
float32 [N, 32, 4], are left, top, right and bottom in parts of the picture, with -1 behind the last, as UltraFace found
them (in squares YuNet), the surest first. Photographs whose names TEST holds are in the parts for testing only. It
needs NumPy, Pillow and onnxruntime.

UltraFace takes RGB, (x - 127) / 128; YuNet takes BGR from 0 to 255; CenterFace takes RGB from 0 to 255.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

TEST = {
    "imgs_16",
    "imgs_19",
    "imgs_20",
    "imgs_23",
    "imgs_3",
    "imgs_9",
    "imgs_25",
    "masked_face_imgs_img2",
    "astronaut",
    "coffee",
}
CROPS = {"train": 10, "test": 12}
MOST = 32


def crops(random, photograph, shape, count):
    """The whole photograph, and parts of it, every second one mirrored."""
    width, height = photograph.size
    for i in range(count):
        part = 1 if i == 0 else random.uniform(0.25, 0.8)
        scale = min(width / shape[0], height / shape[1]) * part
        size = (shape[0] * scale, shape[1] * scale)
        left, top = random.uniform(0, width - size[0] + 1e-6), random.uniform(0, height - size[1] + 1e-6)
        crop = photograph.resize(shape, Image.BICUBIC, box=(left, top, left + size[0], top + size[1]))
        yield ImageOps.mirror(crop) if i % 2 else crop


def overlap(box, boxes):
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = (high - low).clip(0).prod(1)
    return common / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - common)


def surest(boxes, scores, least, alike=0.35):
    """Boxes in the order of their scores, without those that overlap a surer one."""
    order = np.argsort(-scores)
    order, kept = order[scores[order] > least], []
    while len(order):
        kept.append(order[0])
        order = order[overlap(boxes[order[0]], boxes[order]) < alike]
    return boxes[kept]


def ultraface(session, pixels):
    scores, boxes = session.run(None, {"input": (pixels[None].astype(np.float32) - 127) / 128})
    return surest(boxes[0], scores[0, :, 1], 0.7)


def yunet(session, pixels):
    """Each place of the three grids gives the way to the middle of a face and the logarithm of its size."""
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"input": pixels[None, ::-1].astype(np.float32)})))
    height, width = pixels.shape[1:]
    boxes, scores = [], []
    for stride in (8, 16, 32):
        y, x = np.mgrid[: height // stride, : width // stride]
        box = found[f"bbox_{stride}"][0]
        middle = (box[:, :2] + np.stack([x.ravel(), y.ravel()], 1)) * stride
        half = np.exp(box[:, 2:]) * stride / 2
        boxes.append(np.concatenate([middle - half, middle + half], 1) / [width, height, width, height])
        scores.append(np.sqrt(found[f"cls_{stride}"][0, :, 0] * found[f"obj_{stride}"][0, :, 0]))
    return surest(np.concatenate(boxes).astype(np.float32), np.concatenate(scores), 0.6)


def padded(boxes):
    table = np.full((MOST, 4), -1, np.float32)
    table[: min(len(boxes), MOST)] = boxes[:MOST]
    return table


def main(models, data, photographs):
    def session(name):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(models / name, options)

    finders = {
        "faces": ((320, 240), session("ultraface-version-RFB-320.onnx"), ultraface),
        "faces-square": ((320, 320), session("yunet_n_dynamic.onnx"), yunet),
    }
    for name, (shape, net, find) in finders.items():
        random = np.random.default_rng(1)
        shutil.rmtree(data / name, ignore_errors=True)
        parts = {"train": [], "test": []}
        for path in sorted(photographs):
            part = "test" if path.stem in TEST else "train"
            (data / name / part).mkdir(parents=True, exist_ok=True)
            photograph = Image.open(path).convert("RGB")
            for i, crop in enumerate(crops(random, photograph, shape, CROPS[part])):
                file = data / name / part / f"{path.stem}-{i:02}.jpg"
                crop.save(file, quality=92)
                parts[part].append(np.asarray(Image.open(file)).transpose(2, 0, 1))
        for part, pictures in parts.items():
            boxes = np.stack([padded(find(net, pixels)) for pixels in pictures])
            np.savez_compressed(data / f"{name}-{part}.npz", input=np.stack(pictures), boxes=boxes)
            faces = int((boxes[:, :, 0] > -1).sum())
            print(f"{name} {part}: {len(pictures)} pictures, {faces} faces")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]])

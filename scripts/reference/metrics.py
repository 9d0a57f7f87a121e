"""What scikit-learn, PyTorch and pycocotools make of drawn outputs and targets: test/fixtures/metrics.json.

    python3 scripts/reference/metrics.py
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

rng = np.random.default_rng(23)
cases = []


def rounded(value):
    """With few digits, and still what float32 holds."""
    return np.round(np.asarray(value, np.float64) * 64).astype(np.float32) / 64


def tensor(value):
    value = np.asarray(value)
    dtype = "int64" if value.dtype == np.int64 else "float32"
    return {"dtype": dtype, "shape": list(value.shape), "values": value.reshape(-1).tolist()}


def case(name, metric, value, outputs, targets, inputs=None, activation=None, **settings):
    cases.append(
        {
            "name": name,
            "metric": metric,
            "settings": settings,
            "activation": activation,
            "outputs": {key: tensor(one) for key, one in outputs.items()},
            "targets": {key: tensor(one) for key, one in targets.items()},
            "inputs": {key: tensor(one) for key, one in (inputs or {}).items()},
            "value": float(value),
        }
    )


def softmax(x, axis):
    return torch.softmax(torch.tensor(x), axis).numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Tokens
n, t, c = 4, 5, 6
logits = rounded(rng.normal(size=(n, t, c)) * 2)
labels = rng.integers(0, c, (n, t))
labels[0, 1] = labels[2, 3] = -100
counts = labels != -100
accuracy = accuracy_score(labels[counts], logits.argmax(-1)[counts])
case("tokens", "token-accuracy", accuracy, {"logits": logits}, {"": labels}, ignore=-100)
entropy = F.cross_entropy(torch.tensor(logits).double().reshape(-1, c), torch.tensor(labels).reshape(-1))
case("tokens", "perplexity", entropy.exp(), {"logits": logits}, {"": labels}, ignore=-100)
probabilities = softmax(logits, -1)
case("tokens as probabilities", "perplexity", entropy.exp(), {"p": probabilities}, {"": labels}, activation="softmax", ignore=-100)

ids = rng.integers(0, c, (n, t))
attention = np.ones((n, t), np.int64)
attention[1, 3:] = attention[3, 4:] = 0
shown, following = logits[:, :-1].reshape(-1, c), ids[:, 1:].reshape(-1)
kept = attention[:, 1:].reshape(-1) == 1
given = {"input_ids": ids, "attention_mask": attention}
case("the next token", "token-accuracy", accuracy_score(following[kept], shown[kept].argmax(-1)), {"logits": logits}, {}, given)
entropy = F.cross_entropy(torch.tensor(shown[kept]).double(), torch.tensor(following[kept]))
case("the next token", "perplexity", entropy.exp(), {"logits": logits}, {}, given)

pixels = rounded(rng.normal(size=(n, c, 3, 2)))
classes = rng.integers(0, c, (n, 3, 2))
case("pixels", "token-accuracy", accuracy_score(classes.reshape(-1), pixels.argmax(1).reshape(-1)), {"y": pixels}, {"": classes})

# Masks
size = (n, 4, 5, 3)
pixels = rounded(rng.normal(size=size))
classes = rng.integers(0, 3, (n, 5, 3))
pixels[:, 3] -= 4  # neither there nor, mostly, said
guess, wanted = pixels.argmax(1).reshape(-1), classes.reshape(-1)
seen = sorted(set(guess) | set(wanted))
for metric, score in [("mean-iou", jaccard_score), ("dice", f1_score)]:
    case("classes of pixels", metric, score(wanted, guess, labels=seen, average="macro"), {"y": pixels}, {"": classes})
    void = classes.copy()
    void[:, 0] = 255
    counts = void.reshape(-1) != 255
    value = score(wanted[counts], guess[counts], labels=sorted(set(guess[counts]) | set(wanted[counts])), average="macro")
    case("classes of pixels, some of none", metric, value, {"y": pixels}, {"": void}, ignore=255)
    mask = rounded(rng.normal(size=(n, 1, 5, 3)))
    there = (rng.random((n, 1, 5, 3)) < 0.4).astype(np.float32)
    said = (mask >= 0).reshape(-1)
    case("a mask of logits", metric, score(there.reshape(-1), said), {"y": mask}, {"": there})
    case("a mask behind a sigmoid", metric, score(there.reshape(-1), said), {"p": sigmoid(mask).astype(np.float32)}, {"": there}, activation="sigmoid")
    case("a mask without an axis of channels", metric, score(there.reshape(-1), said), {"y": mask}, {"": there[:, 0].astype(np.int64)})
    two = rounded(rng.normal(size=(n, 2, 5, 3)))
    both = (rng.random((n, 2, 5, 3)) < 0.5).astype(np.float32)
    each = [score(both[:, i].reshape(-1), (two[:, i] >= 0).reshape(-1)) for i in range(2)]
    case("two masks", metric, np.mean(each), {"y": two}, {"": both})

# F1
scores = rounded(rng.normal(size=(24, 5)))
labels = rng.integers(0, 4, 24)
scores[:, 4] -= 3
scores[np.arange(24), labels] += 1
guess = scores.argmax(1)
seen = sorted(set(guess) | set(labels))
case("classes", "f1", f1_score(labels, guess, labels=seen, average="macro"), {"y": scores}, {"": labels})
yes = (rng.random((24, 3)) < 0.4).astype(np.float32)
said = rounded(rng.normal(size=(24, 3)))
case("labels", "f1", f1_score(yes, said >= 0, average="macro"), {"y": said}, {"": yes})
case("labels behind a sigmoid", "f1", f1_score(yes, said >= 0, average="macro"), {"p": sigmoid(said).astype(np.float32)}, {"": yes}, activation="sigmoid")
case("one label", "f1", f1_score(yes[:, 0], said[:, 0] >= 0), {"y": said[:, :1]}, {"": yes[:, :1]})

# Images
image = np.clip(rounded(rng.random((n, 3, 4, 4))), 0, 1)
near = rounded(image + rng.normal(size=image.shape) * 0.05)
squares = ((near.astype(np.float64) - image) ** 2).mean((1, 2, 3))
case("images from 0 to 1", "psnr", (10 * np.log10(1 / squares)).mean(), {"y": near}, {"": image})
case("with a peak of one's own", "psnr", (10 * np.log10(4 / squares)).mean(), {"y": near}, {"": image}, peak=2)
squares = ((near.astype(np.float64) * 128 - image * 128) ** 2).mean((1, 2, 3))
case("images to 255", "psnr", (10 * np.log10(255**2 / squares)).mean(), {"y": near * 128}, {"": image * 128})
signed = image * 2 - 1
squares = ((near.astype(np.float64) - signed) ** 2).mean((1, 2, 3))
reach = float(signed.max() - signed.min())
case("images of both signs", "psnr", (10 * np.log10(reach**2 / squares)).mean(), {"y": near}, {"": signed})

# Vectors
a, b = rounded(rng.normal(size=(n, 7))), rounded(rng.normal(size=(n, 7)))
case("embeddings", "cosine", F.cosine_similarity(torch.tensor(a).double(), torch.tensor(b).double()).mean(), {"y": a}, {"": b})
a, b = rounded(rng.normal(size=(n, 3, 2, 2))), rounded(rng.normal(size=(n, 3, 2, 2)))
case("vectors along another axis", "cosine", F.cosine_similarity(torch.tensor(a).double(), torch.tensor(b).double(), dim=1).mean(), {"y": a}, {"": b}, axis=1)


# Boxes
def coco(boxes, scores, wanted, labels):
    """AP at IoU=0.50:0.95, area=all, maxDets=100, of corners."""
    classes = scores.shape[2]
    dataset = {"images": [], "annotations": [], "categories": [{"id": i} for i in range(classes)]}
    found = []
    for i in range(len(boxes)):
        dataset["images"].append({"id": i})
        for (x, y, u, v), label in zip(wanted[i].tolist(), labels[i].tolist()):
            if x >= 0:
                dataset["annotations"].append(
                    {"id": len(dataset["annotations"]) + 1, "image_id": i, "category_id": label, "bbox": [x, y, u - x, v - y], "area": (u - x) * (v - y), "iscrowd": 0}
                )
        for (x, y, u, v), row in zip(boxes[i].tolist(), scores[i].tolist()):
            for k, score in enumerate(row):
                found.append({"image_id": i, "category_id": k, "bbox": [x, y, u - x, v - y], "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[0]


def corners(count):
    start = rounded(rng.random((count, 2)) * 20)
    return np.concatenate([start, start + 2 + rounded(rng.random((count, 2)) * 10)], 1)


def detections(images, most, copies, classes, noise):
    """Boxes, and several guesses of each with scores that tell a little of how good they are."""
    boxes, scores = [], []
    wanted, labels = np.full((images, most, 4), -1, np.float32), np.full((images, most), -1, np.int64)
    for i in range(images):
        count = int(rng.integers(0 if i else 1, most + 1))
        own = corners(count)
        wanted[i, :count], labels[i, :count] = own, rng.integers(0, classes, count)
        guesses = np.concatenate([np.repeat(own, copies, 0), corners(most * copies - count * copies)])
        guesses = rounded(guesses + rng.normal(size=guesses.shape) * noise)
        guesses[:, 2:] = np.maximum(guesses[:, 2:], guesses[:, :2] + 0.5)
        score = rng.random((len(guesses), classes)) * 0.6
        for k in range(count):
            score[k * copies : (k + 1) * copies, labels[i, k]] += rng.random(copies) * 0.6
        boxes.append(guesses)
        scores.append(score)
    return np.stack(boxes).astype(np.float32), rounded(scores), wanted, labels


for name, *drawn in [("few boxes", 4, 3, 2, 2, 0.4), ("many boxes of more classes", 6, 6, 3, 4, 0.8), ("more than 100", 2, 8, 16, 1, 0.3)]:
    boxes, scores, wanted, labels = detections(*drawn)
    case(name, "map", coco(boxes, scores, wanted, labels), {"boxes": boxes, "scores": scores}, {"boxes": wanted, "labels": labels})
    if name == "few boxes":
        half = (boxes[..., 2:] + boxes[..., :2]) / 2
        centred = np.concatenate([half, boxes[..., 2:] - boxes[..., :2]], 2)
        middle = np.where(wanted[..., :1] < 0, -1, np.concatenate([(wanted[..., 2:] + wanted[..., :2]) / 2, wanted[..., 2:] - wanted[..., :2]], 2))
        case("boxes by their centres", "map", cases[-1]["value"], {"loc": centred, "conf": scores}, {"boxes": middle.astype(np.float32), "classes": labels}, boxes="loc", scores="conf", form="centre")

path = Path(__file__).parents[2] / "test/fixtures/metrics.json"
path.write_text(json.dumps(cases) + "\n")
for one in cases:
    print(f"{one['metric']:15} {one['name']:35} {one['value']:.6f}")
print(path, path.stat().st_size, "bytes")

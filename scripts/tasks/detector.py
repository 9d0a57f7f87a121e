"""A tiny detector with two heads, which says what shape is in a picture and where, and its pictures.

    python3 detector.py MODELS DATA

writes MODELS/detector.onnx and MODELS/detector-batchnorm.onnx, whose scores are logits; MODELS/detector-sigmoid.onnx,
the same net, whose scores come out of a Sigmoid; DATA/detector-train.npz and DATA/detector-test.npz. It needs NumPy,
Pillow, PyTorch and onnxscript, and some three minutes on one core. Input `image` float32 [N, 3, 64, 64] from 0 to 1.
Outputs `scores` [N, 3], one for circle, square and triangle, and `boxes` [N, 4]: x and y of the middle, width and
height, in parts of the picture. The data has the wanted `scores` (1 for the shape that is there, else 0; all are 0 in a
tenth of the pictures, whose boxes are the whole picture) and `boxes`, float32.
"""

import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import nn

SIZE, SHAPES, SCALE = 64, 3, 4
TRAIN, TEST = 3000, 500
EPOCHS, BATCH, RATE = 14, 32, 4e-3


def outline(random, kind, x, y, radius):
    """Many corners of a circle, four of a square, three of a triangle, turned by any angle."""
    corners = (48, 4, 3)[kind]
    turn = random.uniform(0, 2 * math.pi)
    angles = turn + 2 * math.pi * np.arange(corners) / corners
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)


def picture(random):
    """One shape, or none, before noise of two sizes and thin lines that are no shapes."""
    pixels = random.uniform(0, 1, 3) + random.normal(0, 0.12, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
    scores, box = np.zeros(SHAPES, np.float32), np.array([0.5, 0.5, 1, 1], np.float32)
    stencil = Image.new("L", (SIZE * SCALE, SIZE * SCALE))
    draw = ImageDraw.Draw(stencil)
    for _ in range(random.integers(0, 3)):
        draw.line([tuple(v) for v in random.uniform(0, SIZE * SCALE, (2, 2))], fill=160, width=SCALE)
    if random.random() < 0.9:
        kind = int(random.integers(SHAPES))
        radius = random.uniform(7, 20)
        corners = outline(random, kind, *random.uniform(radius, SIZE - radius, 2), radius)
        draw.polygon([tuple(SCALE * v) for v in corners], fill=255)
        low, high = corners.min(0) / SIZE, corners.max(0) / SIZE
        scores[kind], box = 1, np.concatenate([(low + high) / 2, high - low]).astype(np.float32)
    alpha = np.asarray(stencil.resize((SIZE, SIZE), Image.BOX), np.float64)[..., None] / 255
    colour = (pixels.mean((0, 1)) + random.uniform(0.3, 0.7, 3)) % 1
    pixels = pixels * (1 - alpha) + colour * alpha + random.normal(0, 0.06, pixels.shape)
    return (pixels.clip(0, 1) * 255).astype(np.uint8).transpose(2, 0, 1), scores, box


def dataset(count, seed):
    random = np.random.default_rng(seed)
    pictures, scores, boxes = map(np.stack, zip(*(picture(random) for _ in range(count))))
    return pictures.astype(np.float32) / 255, scores, boxes


def convolution(inputs, outputs, stride=1):
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        return F.relu(x + self.second(self.first(x)))


class Detector(nn.Module):
    def __init__(self, widths=(16, 32, 64, 64)):
        super().__init__()
        layers = []
        for a, b in zip((3, *widths), widths):
            layers += [convolution(a, b, 2), Residual(b)]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.scores = nn.Sequential(nn.Linear(16 * widths[-1], 64), nn.ReLU(), nn.Linear(64, SHAPES))
        self.boxes = nn.Sequential(nn.Linear(16 * widths[-1], 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, image):
        x = self.trunk(image)
        return self.scores(x), self.boxes(x)


class WithSigmoid(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        scores, boxes = self.net(image)
        return scores.sigmoid(), boxes


def overlap(a, b):
    """Intersection over union of boxes."""
    low = torch.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    high = torch.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    common = (high - low).clamp(min=0).prod(1)
    return common / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - common)


def measure(net, images, scores, boxes):
    """The share of pictures whose three scores are all on the right side of a half, and the mean overlap of boxes."""
    with torch.no_grad():
        found = [net(part) for part in images.split(100)]
    right = ((torch.cat([s for s, _ in found]) > 0) == (scores > 0.5)).all(1).float().mean()
    there = scores.sum(1) > 0
    return float(right), float(overlap(torch.cat([b for _, b in found])[there], boxes[there]).mean())


def train(net, images, scores, boxes, test):
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    start = time.time()
    for epoch in range(EPOCHS):
        net.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            logits, found = net(images[batch])
            loss = F.binary_cross_entropy_with_logits(logits, scores[batch])
            loss = loss + 5 * F.smooth_l1_loss(found, boxes[batch], beta=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * BATCH / len(images)
        right, mean = measure(net.eval(), *test)
        print(
            f"epoch {epoch + 1}: loss {total:.4f}, right {right:.4f}, IoU {mean:.4f}, {time.time() - start:.0f} s",
            flush=True,
        )


def main(models, data):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    parts = {"train": dataset(TRAIN, 1), "test": dataset(TEST, 2)}
    for name, part in parts.items():
        np.savez_compressed(data / f"detector-{name}.npz", **dict(zip(("image", "scores", "boxes"), part)))
    images, scores, boxes = map(torch.from_numpy, parts["train"])
    net = Detector()
    train(net, images, scores, boxes, [torch.from_numpy(v) for v in parts["test"]])
    # Optimised, the exporter puts each BatchNormalization into the convolution before it.
    variants = {
        "detector": (net, True),
        "detector-batchnorm": (net, False),
        "detector-sigmoid": (WithSigmoid(net), True),
    }
    for name, (module, optimise) in variants.items():
        torch.onnx.export(
            module.eval(),
            (images[:2],),
            models / f"{name}.onnx",
            input_names=["image"],
            output_names=["scores", "boxes"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            optimize=optimise,
            external_data=False,
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))

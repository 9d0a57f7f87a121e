"""A U-Net that finds circles, squares and triangles, and the pictures that it learned from.

    python3 segmenter.py MODELS DATA

writes MODELS/segmenter.onnx, MODELS/segmenter-batchnorm.onnx, DATA/segmenter-train.npz and DATA/segmenter-test.npz. It
needs NumPy, Pillow, PyTorch and onnxscript, and some five minutes on one core. Input `image` float32 [N, 3, 64, 64]
from 0 to 1; output `logits` [N, 4, 64, 64], before the softmax; `masks` int64 [N, 64, 64]: 0 background, 1 circle, 2
square, 3 triangle.
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

SIZE, CLASSES, SCALE = 64, 4, 4
TRAIN, TEST = 2000, 400
EPOCHS, BATCH, RATE = 10, 16, 6e-3


def polygon(random, kind, x, y, radius):
    """Corners of a square or a triangle, turned by any angle."""
    corners = 4 if kind == 2 else 3
    turn = random.uniform(0, 2 * math.pi)
    angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def background(random):
    """A slope of colour with noise of two sizes."""
    a, b = random.uniform(0, 1, (2, 3))
    slope = np.linspace(0, 1, SIZE)[:, None] if random.random() < 0.5 else np.linspace(0, 1, SIZE)[None, :]
    pixels = np.broadcast_to(slope[..., None], (SIZE, SIZE, 3)) * (b - a) + a
    coarse = random.normal(0, 0.12, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
    return pixels + coarse


def picture(random):
    pixels = background(random)
    mask = np.zeros((SIZE, SIZE), np.int64)
    for _ in range(random.integers(1, 4)):
        kind = int(random.integers(1, CLASSES))
        radius = random.uniform(9, 17)
        x, y = random.uniform(radius * 0.6, SIZE - radius * 0.6, 2)
        stencil = Image.new("L", (SIZE * SCALE, SIZE * SCALE))
        draw = ImageDraw.Draw(stencil)
        if kind == 1:
            draw.ellipse([SCALE * v for v in (x - radius, y - radius, x + radius, y + radius)], fill=255)
        else:
            draw.polygon([(SCALE * u, SCALE * v) for u, v in polygon(random, kind, x, y, radius)], fill=255)
        alpha = np.asarray(stencil.resize((SIZE, SIZE), Image.BOX), np.float64)[..., None] / 255
        inside = alpha[..., 0] >= 0.5
        colour = random.uniform(0, 1, 3)
        if np.abs(colour - pixels[inside].mean(0)).max() < 0.25:
            colour = (colour + 0.5) % 1
        pixels = pixels * (1 - alpha) + colour * alpha
        mask[inside] = kind
    pixels = pixels + random.normal(0, 0.07, pixels.shape)
    return (pixels.clip(0, 1) * 255).astype(np.uint8).transpose(2, 0, 1), mask


def dataset(count, seed):
    random = np.random.default_rng(seed)
    pictures, masks = zip(*(picture(random) for _ in range(count)))
    return np.stack(pictures).astype(np.float32) / 255, np.stack(masks)


def block(inputs, outputs):
    layers = []
    for a in (inputs, outputs):
        layers += [nn.Conv2d(a, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self, widths=(16, 32, 64, 128)):
        super().__init__()
        self.down = nn.ModuleList(block(a, b) for a, b in zip((3, *widths), widths))
        pairs = list(zip(widths[::-1], widths[-2::-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.merge = nn.ModuleList(block(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(widths[0], CLASSES, 1)

    def forward(self, image):
        x, skips = image, []
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


def intersections(net, images, masks):
    """Intersection over union of each class over all pictures."""
    with torch.no_grad():
        found = torch.cat([net(part).argmax(1) for part in images.split(50)])
    each = [((found == c) & (masks == c)).sum() / ((found == c) | (masks == c)).sum() for c in range(CLASSES)]
    return [float(v) for v in each]


def train(net, images, masks, test_images, test_masks):
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    start = time.time()
    for epoch in range(EPOCHS):
        net.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            loss = F.cross_entropy(net(images[batch]), masks[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * BATCH / len(images)
        each = intersections(net.eval(), test_images, test_masks)
        print(
            f"epoch {epoch + 1}: loss {total:.4f}, mean IoU {sum(each) / CLASSES:.4f}, {time.time() - start:.0f} s",
            flush=True,
        )


def main(models, data):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    images, masks = dataset(TRAIN, 1)
    test_images, test_masks = dataset(TEST, 2)
    np.savez_compressed(data / "segmenter-train.npz", image=images, masks=masks)
    np.savez_compressed(data / "segmenter-test.npz", image=test_images, masks=test_masks)
    net = UNet()
    train(net, *map(torch.from_numpy, (images, masks, test_images, test_masks)))
    # Optimised, the exporter puts each BatchNormalization into the convolution before it.
    for name, optimise in {"segmenter": True, "segmenter-batchnorm": False}.items():
        torch.onnx.export(
            net.eval(),
            (torch.from_numpy(images[:2]),),
            models / f"{name}.onnx",
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            optimize=optimise,
            external_data=False,
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))

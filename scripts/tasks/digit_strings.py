"""A recogniser of strings of 4 to 7 digits, with convolutions, a bidirectional GRU and CTC, and its pictures.

    python3 digit_strings.py MODELS DATA

writes MODELS/digit-strings.onnx, MODELS/digit-strings-batchnorm.onnx, DATA/digit-strings-train.npz and DATA/digit-
strings-test.npz. It needs NumPy, Pillow, PyTorch and onnxscript, and some five minutes on one core. Input `image`
float32 [N, 1, 32, 128] from 0 to 1; output `logits` [N, 32, 11], before the softmax, 32 steps from left to right; class
0 is CTC's blank, class d + 1 the digit d. `target` int64 [N, 7] has these classes, with -1 behind the last.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import nn

HEIGHT, WIDTH, LONGEST, BLANK = 32, 128, 7, 0
TRAIN, TEST = 4000, 500
EPOCHS, BATCH, RATE = 8, 32, 4e-3


def picture(random):
    """A string in a size of its own, a little turned, dark on light or light on dark, with noise."""
    digits = random.integers(0, 10, random.integers(4, LONGEST + 1))
    font = ImageFont.load_default(size=int(random.integers(16, 25)))
    stencil = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(stencil)
    gap = random.uniform(0, 2)
    widths = [draw.textlength(str(d), font=font) + gap for d in digits]
    x = random.uniform(1, max(2, WIDTH - sum(widths) - 1))
    y = random.uniform(3, 7)
    for digit, width in zip(digits, widths):
        draw.text((x, y + random.uniform(-1.5, 1.5)), str(digit), fill=255, font=font)
        x += width
    stencil = stencil.rotate(random.uniform(-3, 3), Image.BICUBIC)
    alpha = np.asarray(stencil, np.float64) / 255
    paper, ink = random.uniform(0.6, 1), random.uniform(0, 0.35)
    pixels = paper + (ink - paper) * alpha + np.linspace(-1, 1, WIDTH) * random.uniform(-0.15, 0.15)
    pixels = pixels if random.random() < 0.5 else 1 - pixels
    pixels = pixels + random.normal(0, random.uniform(0.02, 0.12), pixels.shape)
    target = np.full(LONGEST, -1, np.int64)
    target[: len(digits)] = digits + 1
    return (pixels.clip(0, 1) * 255).astype(np.uint8)[None], target


def dataset(count, seed):
    random = np.random.default_rng(seed)
    pictures, targets = zip(*(picture(random) for _ in range(count)))
    return np.stack(pictures).astype(np.float32) / 255, np.stack(targets)


def convolution(inputs, outputs, pool):
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(pool),
    ]


class Recogniser(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.features = nn.Sequential(
            *convolution(1, 16, 2),
            *convolution(16, 32, 2),
            *convolution(32, 64, (2, 1)),
            *convolution(64, 96, (4, 1)),
        )
        self.recurrent = nn.GRU(96, hidden, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * hidden, 11)

    def forward(self, image):
        columns = self.features(image).squeeze(2).transpose(1, 2)
        return self.head(self.recurrent(columns)[0])


def strings(logits):
    """The best path: the likeliest class of each step, repetitions once, blanks left out."""
    for row in logits.argmax(2).tolist():
        yield [c for c, before in zip(row, [BLANK, *row]) if c != before and c != BLANK]


def right(net, images, targets):
    """The share of pictures whose whole string is right."""
    with torch.no_grad():
        found = [s for part in images.split(100) for s in strings(net(part))]
    return sum(s == [c for c in t if c >= 0] for s, t in zip(found, targets.tolist())) / len(found)


def ctc(logits, targets):
    lengths = (targets >= 0).sum(1)
    steps = torch.full((len(logits),), logits.shape[1])
    return F.ctc_loss(F.log_softmax(logits, 2).transpose(0, 1), targets.clamp(min=0), steps, lengths, blank=BLANK)


def train(net, images, targets, test_images, test_targets):
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    start = time.time()
    for epoch in range(EPOCHS):
        net.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            loss = ctc(net(images[batch]), targets[batch])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5)
            optimiser.step()
            schedule.step()
            total += loss.item() * BATCH / len(images)
        share = right(net.eval(), test_images, test_targets)
        print(
            f"epoch {epoch + 1}: loss {total:.4f}, strings right {share:.4f}, {time.time() - start:.0f} s", flush=True
        )


def main(models, data):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    images, targets = dataset(TRAIN, 1)
    test_images, test_targets = dataset(TEST, 2)
    np.savez_compressed(data / "digit-strings-train.npz", image=images, target=targets)
    np.savez_compressed(data / "digit-strings-test.npz", image=test_images, target=test_targets)
    net = Recogniser()
    train(net, *map(torch.from_numpy, (images, targets, test_images, test_targets)))
    # Optimised, the exporter puts each BatchNormalization into the convolution before it.
    for name, optimise in {"digit-strings": True, "digit-strings-batchnorm": False}.items():
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

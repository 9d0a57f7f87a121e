"""
Trains the net of `npm run demo` and exports it as anyone would: digits.onnx, six convolutions and a classifier.

Usage: python3 scripts/demo/digits.py PATH/TO/MNIST, a folder with the four files of MNIST, gzipped. Needs torch and onnx.

The demo learns from the first 8,000 of the 60,000 training images and tests with the next 2,000: the net sees none of these 10,000.
In the file of the repository the BatchNormalizations, folded by the exporter, were set again from 2,000 of the training images.
"""

import gzip
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

WIDTHS = [32, 32, "pool", 64, 64, "pool", 128, 128]
EPOCHS, BATCH, RATE = 3, 128, 0.1
DEMO = 10_000


def read(name, head):
    return np.frombuffer(gzip.decompress(Path(sys.argv[1], f"{name}.gz").read_bytes()), np.uint8)[head:]


def images(part):
    pixels = read(f"{part}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
    return torch.from_numpy(pixels.astype(np.float32) / 255)


def labels(part):
    return torch.from_numpy(read(f"{part}-labels-idx1-ubyte", 8).astype(np.int64))


def build():
    layers, width, at = OrderedDict(), 1, 0
    for wide in WIDTHS:
        if wide == "pool":
            layers[f"pool{at}"] = nn.MaxPool2d(2)
            continue
        at += 1
        layers[f"conv{at}"] = nn.Conv2d(width, wide, 3, padding=1, bias=False)
        layers[f"bn{at}"] = nn.BatchNorm2d(wide)
        layers[f"relu{at}"] = nn.ReLU()
        width = wide
    layers["average"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(width, 10)
    return nn.Sequential(layers)


def shifted(x):
    """The pictures, all moved alike by up to two pixels."""
    down, right = torch.randint(0, 5, (2,)).tolist()
    return nn.functional.pad(x, (2, 2, 2, 2))[:, :, down : down + 28, right : right + 28]


def train(net, x, y):
    steps = len(x) // BATCH
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps * EPOCHS)
    for epoch in range(EPOCHS):
        net.train()
        total = 0.0
        for batch in torch.randperm(len(x))[: steps * BATCH].view(-1, BATCH):
            loss = nn.functional.cross_entropy(net(shifted(x[batch])), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {total / steps:.4f}", flush=True)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        hits = sum((net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(500), y.split(500)))
    return 100 * hits / len(x)


def main():
    torch.manual_seed(1)
    net = build().to(memory_format=torch.channels_last)
    train(net, images("train")[DEMO:], labels("train")[DEMO:])
    print(f"top-1 of the 10,000 test images: {accuracy(net, images('t10k'), labels('t10k')):.2f} %")
    # The BatchNormalizations stay, as one exports a net that will learn again.
    torch.onnx.export(
        net.to(memory_format=torch.contiguous_format),
        torch.zeros(2, 1, 28, 28),
        Path(__file__).with_name("digits.onnx"),
        dynamo=False,
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )


main()

"""A net that gives each handwritten digit a direction in 64 dimensions, alike for digits that are alike.

    python3 embedder.py MODELS DATA MNIST

writes MODELS/embedder.onnx, MODELS/embedder-batchnorm.onnx, DATA/embedder-train.npz and DATA/embedder-test.npz. MNIST
is the folder of MNIST's four files, gzipped. It needs NumPy, PyTorch and onnxscript, and some three minutes on one
core. Input `image` float32 [N, 1, 28, 28] from 0 to 1; output `embedding` [N, 64] of length 1; `target` int64 [N] is
the digit. The net learns by the supervised contrastive loss (Khosla and others, 2020) from eight digits, 0 to 7; 8 and
9 are in the data for testing alone, so that it can be measured on kinds that the net never saw.
"""

import gzip
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

TRAIN, TEST, SEEN = 8000, 2000, 8
EPOCHS, BATCH, RATE, TEMPERATURE = 8, 64, 3e-3, 0.1


def digits(folder, part, count, classes):
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    chosen = np.flatnonzero(labels < classes)[:count]
    return images[chosen].astype(np.float32) / 255, labels[chosen]


def convolution(inputs, outputs, stride):
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            *convolution(1, 16, 1), *convolution(16, 32, 2), *convolution(32, 64, 2), *convolution(64, 96, 2)
        )
        self.embed = nn.Linear(96, 64)

    def forward(self, image):
        return F.normalize(self.embed(self.features(image).mean((2, 3))), dim=1)


def contrastive(embeddings, labels):
    """How surprising it is, of each image, that others of its kind are nearest to it."""
    itself = torch.eye(len(labels), dtype=torch.bool)
    likeness = (embeddings @ embeddings.T / TEMPERATURE).masked_fill(itself, -1e9)
    alike = (labels[:, None] == labels[None, :]) & ~itself
    chances = likeness.log_softmax(1)
    return -((chances * alike).sum(1) / alike.sum(1).clamp(min=1)).mean()


def nearest(net, images, labels):
    """The share of images whose nearest other image is of their kind, of all and of kinds that were not learned."""
    with torch.no_grad():
        found = torch.cat([net(part) for part in images.split(200)])
    same = labels[(found @ found.T).fill_diagonal_(-2).argmax(1)] == labels
    return float(same.float().mean()), float(same[labels >= SEEN].float().mean())


def train(net, images, labels, test_images, test_labels):
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-4)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    start = time.time()
    for epoch in range(EPOCHS):
        net.train()
        for batch in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            loss = contrastive(net(images[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        every, unseen = nearest(net.eval(), test_images, test_labels)
        print(
            f"epoch {epoch + 1}: nearest right {every:.4f}, of 8 and 9 {unseen:.4f}, {time.time() - start:.0f} s",
            flush=True,
        )


def main(models, data, mnist):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    images, labels = digits(mnist, "train", TRAIN, SEEN)
    test_images, test_labels = digits(mnist, "t10k", TEST, 10)
    np.savez_compressed(data / "embedder-train.npz", image=images, target=labels)
    np.savez_compressed(data / "embedder-test.npz", image=test_images, target=test_labels)
    net = Embedder()
    train(net, *map(torch.from_numpy, (images, labels, test_images, test_labels)))
    # Optimised, the exporter puts each BatchNormalization into the convolution before it.
    for name, optimise in {"embedder": True, "embedder-batchnorm": False}.items():
        torch.onnx.export(
            net.eval(),
            (torch.from_numpy(images[:2]),),
            models / f"{name}.onnx",
            input_names=["image"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            optimize=optimise,
            external_data=False,
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

"""Trains the sample of Studio, a residual network for handwritten digits that is small enough to ship with the page.

Of the test digits that `npm run demo` fetches it knows 91.9 %.

Usage: python scripts/reference/studio_sample.py data/mnist studio/public/samples/digits.onnx
"""

import gzip
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
folder, output = sys.argv[1:]


def read(name, header):
    path = os.path.join(folder, name)
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")
    with opened as file:
        return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 5, 3, 2, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(5)
        self.conv1 = nn.Conv2d(5, 5, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 5, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(5)
        self.down = nn.Conv2d(5, 10, 3, 2, 1, bias=False)
        self.down_bn = nn.BatchNorm2d(10)
        self.fc = nn.Linear(10, 10)

    def forward(self, x):
        x = F.relu(self.stem_bn(self.stem(x)))
        x = F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        x = F.relu(self.down_bn(self.down(x)))
        return self.fc(x.mean((2, 3)))


images = read("train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).float() / 255
labels = read("train-labels-idx1-ubyte", 8).long()
tests = read("t10k-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).float() / 255
truth = read("t10k-labels-idx1-ubyte", 8).long()
net = Digits()
epochs, size = 12, 128
optimiser = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=1e-4)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.02, total_steps=epochs * (len(images) // size))
for epoch in range(epochs):
    order = torch.randperm(len(images))
    for i in range(len(images) // size):
        at = order[i * size : (i + 1) * size]
        loss = F.cross_entropy(net(images[at]), labels[at])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
net.eval()
with torch.no_grad():
    right = sum((net(tests[i : i + 1000]).argmax(1) == truth[i : i + 1000]).sum().item() for i in range(0, len(tests), 1000))
print(f"{right} of {len(tests)} digits that it has not learned from are right")
torch.onnx.export(
    net,
    torch.zeros(1, 1, 28, 28),
    output,
    input_names=["image"],
    output_names=["logits"],
    dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    dynamo=False,
    training=torch.onnx.TrainingMode.PRESERVE if hasattr(torch.onnx, "TrainingMode") else None,
    do_constant_folding=False,
)

"""Print how many images a second PyTorch trains and infers with ResNet-20, as a yardstick for the training code.

Usage: python3 scripts/reference/train_step.py [STEPS [BATCH [THREADS]]]
"""

import statistics
import sys
import time

import torch
import torch.nn.functional as F

from resnet20 import ResNet20

WARM_UP = 3


def measure(step, steps):
    """Return the median seconds of `steps` calls after the warm-up."""
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(steps=10, batch=128, threads=2):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    labels = torch.randint(0, 10, (batch,))
    print(f"torch {torch.__version__}, {threads} threads, batch {batch}, median of {steps} steps")
    for name, layout in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
        model = ResNet20().to(memory_format=layout)
        inputs = torch.randn(batch, 3, 32, 32).to(memory_format=layout)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

        def train():
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()

        @torch.no_grad()
        def infer():
            model(inputs)

        model.train()
        seconds = measure(train, steps)
        print(f"{name}: training step {seconds * 1e3:.0f} ms, {batch / seconds:.0f} images/s")
        model.eval()
        seconds = measure(infer, steps)
        print(f"{name}: forward only {seconds * 1e3:.0f} ms, {batch / seconds:.0f} images/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""PyTorch's side of a benchmark. It answers lines of JSON on standard input by lines of JSON on standard output.

Usage: torch_side.py CASE.json

CASE.json: { net, what: "export" | "score" | "score-lean" | "train" | "prune", batch, samples, channels, size, classes, files, threads, device, folder }. The
first answer says what versions are at work. `{"do": "step"}` runs once and answers { ms, loss }, for "prune" with `remove`, how many units, and { removed };
`{"do": "memory"}` answers { bytes }, the most that was resident so far; `{"do": "results"}` writes what the last step computed to FOLDER/torch-WHAT.bin and
answers what lies there.
"""

import json
import resource
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from learning import read_net, read_samples, sgd
from masked import MaskedPruning
from nets import build


def say(**answer):
    print(json.dumps(answer), flush=True)


class Side:
    def __init__(self, case):
        self.case = case
        self.device = case.get("device", "cpu")
        self.net = read_net(case).to(self.device)
        self.x, self.y = read_samples(case)
        self.gates = {}
        what = case["what"]
        self.net.train(what == "train")
        if what.startswith("score"):
            self.add_gates(lean=what == "score-lean")
        if what == "train":
            self.optimiser = sgd(self.net)
            self.before = {k: v.detach().clone() for k, v in self.net.named_parameters()}

    def add_gates(self, lean):
        """Keeps what each BatchNormalization puts out, with its gradient; `lean` leaves out the gradients of weights."""
        conv = None
        if lean:
            for parameter in list(self.net.parameters())[1:]:
                parameter.requires_grad_(False)
        for name, module in self.net.named_modules():
            if isinstance(module, nn.Conv2d):
                conv = name
            elif isinstance(module, nn.BatchNorm2d):

                def keep(_, __, output, key=f"{conv}.weight"):
                    output.retain_grad()
                    self.gates[key] = output

                module.register_forward_hook(keep)

    def step(self, parts=1):
        """Parts are normalised each by their own statistics, and their gradients added."""
        what = self.case["what"]
        self.net.zero_grad()
        loss = 0
        x, y = self.x.to(self.device), self.y.to(self.device)
        for x, y in zip(x.chunk(parts), y.chunk(parts)):
            part = F.cross_entropy(self.net(x), y) / parts
            part.backward()
            loss += part.detach()
        if what == "train":
            self.optimiser.step()
        else:
            n = self.case["batch"]
            # G[n, unit] = N Σ_space a ∂E/∂a: a sample's own gradient of its gate
            self.found = {k: n * (a.detach() * a.grad).sum((2, 3)) for k, a in self.gates.items()}
        return {"loss": loss.item()}

    def results(self):
        if self.case["what"] == "train":
            return {k: v.detach() - self.before[k] for k, v in self.net.named_parameters()}
        return self.found


def write_results(path, found):
    with open(path, "wb") as file:
        for value in found.values():
            file.write(value.contiguous().cpu().numpy().astype(np.float32).tobytes())
    say(path=path, names=list(found), sizes=[v.numel() for v in found.values()])


def export(case):
    folder, size = case["folder"], case["size"]
    net = build(case["net"])
    # Statistics that belong to the weights: otherwise activations grow without bound in inference mode.
    net.train()
    torch.manual_seed(1)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    with torch.no_grad():
        for _ in range(2):
            net(torch.randn(8, 3, size, size))
    for norm in norms:
        norm.momentum = 0.1
    torch.save(net.state_dict(), f"{folder}/{case['net']}.pt")
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.training = True
    options = {"dynamo": False} if int(torch.__version__.split(".")[0]) >= 2 else {}
    torch.onnx.export(
        net,
        torch.randn(2, 3, size, size),
        f"{folder}/{case['net']}.onnx",
        opset_version=13,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        training=torch.onnx.TrainingMode.PRESERVE if norms else torch.onnx.TrainingMode.EVAL,
        do_constant_folding=not norms,
        **options,
    )


def main():
    with open(sys.argv[1]) as file:
        case = json.load(file)
    torch.set_num_threads(case["threads"])
    versions = {"torch": torch.__version__.split("+")[0], "python": sys.version.split()[0]}
    if case["what"] == "export":
        export(case)
        return say(**versions)
    if case.get("device") == "cuda":
        # As onnxruntime does without being asked: the first run of each convolution tries all algorithms.
        torch.backends.cudnn.benchmark = True
        versions["gpu"] = torch.cuda.get_device_name()
    side = MaskedPruning(case) if case["what"] == "prune" else Side(case)
    say(**versions)
    for line in sys.stdin:
        options = json.loads(line)
        todo = options.pop("do")
        if todo == "step":
            start = time.perf_counter()
            answer = side.step(**options)
            say(ms=(time.perf_counter() - start) * 1000, **answer)
        elif todo == "results":
            write_results(f"{case['folder']}/torch-{case['what']}.bin", side.results())
        elif todo == "memory":
            say(bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


main()

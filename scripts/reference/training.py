"""What PyTorch learns in a few steps with each optimiser and each option, in float64: test/fixtures/training.json.

    python3 scripts/reference/training.py
"""

import copy
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

BATCH, STEPS, CLASSES = 6, 5, 3
RATES = [0.1, 0.09, 0.07, 0.04, 0.02]

torch.manual_seed(17)
torch.set_default_dtype(torch.float64)


class Norm(nn.Module):
    """BatchNorm2d whose running variance is that of ONNX: of the samples, not estimated from them."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels) + 0.5)
        self.bias = nn.Parameter(torch.randn(channels) / 4)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.running_mean.lerp_(x.mean((0, 2, 3)), 0.1)
                self.running_var.lerp_(x.var((0, 2, 3), unbiased=False), 0.1)
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Net(nn.Module):
    def __init__(self, norm=Norm):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm1 = norm(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm2 = norm(4)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        return self.head(x.mean((2, 3)))


def rounded(value):
    """In float32, which is what the weights of the other side start from."""
    return value.float().double()


START = Net()
START.load_state_dict({name: rounded(value) for name, value in START.state_dict().items()})
TEACHER = Net().eval()
TEACHER.load_state_dict({name: rounded(value) for name, value in TEACHER.state_dict().items()})
INPUTS = [rounded(torch.randn(BATCH, 2, 5, 5)) for _ in range(STEPS)]
LABELS = [torch.randint(0, CLASSES, (BATCH,)) for _ in range(STEPS)]
PERMUTATIONS = [torch.randperm(BATCH) for _ in range(STEPS)]
LAMBDAS = [0.9, 0.3, 0.55, 1.0, 0.7]


def plain(value):
    return {"shape": list(value.shape), "values": [float(f"{x:.9g}") for x in value.detach().flatten().tolist()]}


def state(model):
    return {name: plain(value) for name, value in model.state_dict().items() if value.is_floating_point()}


def groups(model, decay):
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0}]


def sgd(momentum=0.9, weightDecay=0, nesterov=False):
    return lambda model: torch.optim.SGD(groups(model, weightDecay), 0.1, momentum=momentum, nesterov=nesterov)


def adamw(betas=(0.9, 0.999), eps=1e-8, weightDecay=1e-2):
    return lambda model: torch.optim.AdamW(groups(model, weightDecay), 0.1, betas=betas, eps=eps)


KINDS = {"sgd": sgd, "adamw": adamw}


def learn(name, optimiser, clip=None, labelSmoothing=0.0, mixup=False, ema=None, distillation=None):
    kind, settings = optimiser["kind"], {key: value for key, value in optimiser.items() if key != "kind"}
    model = copy.deepcopy(START).train()
    steps = KINDS[kind](**settings)(model)
    criterion = nn.CrossEntropyLoss(label_smoothing=labelSmoothing)
    average = None
    if ema is not None:
        average = AveragedModel(
            model, avg_fn=lambda a, w, t: a + (w - a) * (1 - min(ema, (1 + t) / (10 + t))), use_buffers=True
        )
        # The first weights count as averaged, so that the first step does not replace them.
        average.n_averaged += 1
    losses = []
    for x, y, permutation, share, rate in zip(INPUTS, LABELS, PERMUTATIONS, LAMBDAS, RATES):
        if mixup:
            x = share * x + (1 - share) * x[permutation]
        for group in steps.param_groups:
            group["lr"] = rate
        steps.zero_grad()
        logits = model(x)
        loss = criterion(logits, y)
        if mixup:
            loss = share * loss + (1 - share) * criterion(logits, y[permutation])
        if distillation:
            weight, t = distillation["weight"], distillation["temperature"]
            p = F.log_softmax(TEACHER(x).detach() / t, 1)
            soft = t**2 * F.kl_div(F.log_softmax(logits / t, 1), p, reduction="batchmean", log_target=True)
            loss = (1 - weight) * loss + weight * soft
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        steps.step()
        if average:
            average.update_parameters(model)
        losses.append(float(f"{loss.item():.9g}"))
    options = {"optimiser": optimiser, "clip": clip, "labelSmoothing": labelSmoothing, "ema": ema}
    return {
        "name": name,
        "options": {key: value for key, value in options.items() if value is not None},
        "mixup": mixup,
        "distillation": distillation,
        "losses": losses,
        "weights": state(model),
        "averages": state(average.module) if average else None,
    }


def reestimated():
    """update_bn over all batches; PyTorch's variances are those of ONNX times n / (n - 1)."""
    model = Net(nn.BatchNorm2d)
    model.load_state_dict(START.state_dict(), strict=False)
    update_bn([(x,) for x in INPUTS], model)
    count = BATCH * 25
    return {
        name: plain(value * (count - 1) / count if "var" in name else value)
        for name, value in model.state_dict().items()
        if "running" in name
    }


nesterov = {"kind": "sgd", "momentum": 0.9, "weightDecay": 0.01, "nesterov": True}
cases = [
    learn("sgd", {"kind": "sgd", "momentum": 0.9, "weightDecay": 0, "nesterov": False}),
    learn("nesterov with decay", nesterov),
    learn("adamw", {"kind": "adamw"}),
    learn("adamw with its settings", {"kind": "adamw", "betas": [0.8, 0.95], "eps": 1e-3, "weightDecay": 0.3}),
    learn("clipping", nesterov, clip=0.2),
    learn("clipping to more than there is", nesterov, clip=100),
    learn("label smoothing", nesterov, labelSmoothing=0.15),
    learn("mixup", nesterov, mixup=True),
    learn("averaged weights", nesterov, ema=0.3),
    learn("distillation of mixtures", nesterov, mixup=True, distillation={"weight": 0.6, "temperature": 3}),
    learn("all at once", {"kind": "adamw"}, clip=0.5, labelSmoothing=0.1, mixup=True, ema=0.999),
]
content = {
    "torch": torch.__version__,
    "rates": RATES,
    "start": state(START),
    "teacher": state(TEACHER),
    "inputs": [plain(x) for x in INPUTS],
    "labels": [y.tolist() for y in LABELS],
    "permutations": [p.tolist() for p in PERMUTATIONS],
    "lambdas": LAMBDAS,
    "cases": cases,
    "reestimated": reestimated(),
}
path = Path("test/fixtures/training.json")
path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
print(f"{path}: {path.stat().st_size} bytes, {len(cases)} cases")

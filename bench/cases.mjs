/** What is measured; `split` cases share a minibatch out to as many workers as there are threads. Targets of scoring and training are ratios of images per second to PyTorch's, of analysis seconds, of removals shares of an interval of ten minibatches. */

const cifar = { channels: 3, size: 32, classes: 10, batch: 128 };
const imagenet = { channels: 3, size: 224, classes: 1000, batch: 16 };

const beside = [
  { net: "resnet56", ...cifar, score: 1.2, train: 0.7 },
  { net: "resnet18", ...imagenet, score: 1.8, train: 0.9 },
  { net: "resnet50", ...imagenet, score: 1.8, train: 1.1 },
  { net: "mobilenet_v2", ...imagenet, score: 1.5 },
  { net: "vgg11_bn", ...imagenet },
].flatMap(({ score, train, ...rest }) => [
  { ...rest, what: "score", target: score },
  { ...rest, what: "train", workers: 1, target: train },
  { ...rest, what: "train", split: true, target: train },
]);

export const cases = [
  ...beside,
  {
    net: "resnet56",
    ...cifar,
    what: "prune",
    split: true,
    every: 10,
    batches: 20,
    learningRate: 1e-3,
    macs: 0.5,
    target: 1.2,
  },
  ...[
    { net: "resnet56", ...cifar, split: true },
    { net: "resnet18", ...imagenet },
    { net: "resnet50", ...imagenet, split: true },
    { net: "mobilenet_v2", ...imagenet, split: true },
  ].map((one) => Object.assign(one, { what: "removal", every: 3, learningRate: 1e-3, target: 0.05 })),
  { net: "resnet56", ...cifar, what: "ablation" },
  { net: "resnet56", ...cifar, what: "profile", runs: [{ of: "train" }, { of: "train", half: true }] },
  { net: "resnet18", ...imagenet, what: "profile", runs: [{ of: "score" }, { of: "train" }] },
  { net: "resnet152", ...imagenet, what: "analysis", target: 2 },
  { net: "swin_t", ...imagenet, what: "analysis", target: 5 },
  { net: "resnet56", ...cifar, what: "latency" },
  { net: "resnet50", ...imagenet, what: "latency" },
  { net: "mobilenet_v2", ...imagenet, what: "latency" },
  { net: "lenet5", zoo: true, channels: 1, size: 28, classes: 10, batch: 64, what: "tfjs" },
];

/** What is measured. Targets are ratios of images per second to PyTorch's. */

const cifar = { size: 32, classes: 10, batch: 128 };
const imagenet = { size: 224, classes: 1000, batch: 16 };

export const cases = [
  { net: "resnet56", ...cifar, score: 1.2, train: 0.7 },
  { net: "resnet18", ...imagenet, score: 1.8, train: 0.9 },
  { net: "resnet50", ...imagenet, score: 1.8, train: 1.1 },
  { net: "mobilenet_v2", ...imagenet, score: 1.5 },
  { net: "vgg11_bn", ...imagenet },
].flatMap(({ score, train, ...rest }) => [
  { ...rest, what: "score", target: score },
  { ...rest, what: "train", target: train },
]);

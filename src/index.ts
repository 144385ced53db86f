// `retort-kd`: the names of a first program. Everything else stands in the subpaths, such as `retort-kd/losses`, where these are
// too. Importing loads no libtorch: the engine starts with the first tensor.
export { defineConfig } from './config/define.ts';
export { DataLoader, RandomSampler, TensorDataset } from './data/index.ts';
export { SingleTeacherDistill } from './distill/algorithms/index.ts';
export { ConfigurableDistiller } from './distill/distillers/index.ts';
export { KLDivergence, L2Loss, LabelCrossEntropyLoss } from './distill/losses/index.ts';
export { Trainer } from './engine/index.ts';
export { RetortError } from './errors.ts';
export { Conv2d, Linear, loadModule, Module, ReLU, saveModule, Sequential } from './nn/index.ts';
export { Adam, AdamW, SGD } from './optim/index.ts';
export { compare, distill } from './runner/distill.ts';
export { manualSeed, noGrad, ops, randn, tensor, Tensor, tidy } from './torch/index.ts';
export { version } from './version.ts';

// How big and how costly a network is.
import { Conv2d, ConvTranspose2d, Linear } from '../nn/index.ts';
import type { Network, Module } from '../nn/index.ts';
import { inferenceMode, noGrad, ops, tidy, isCuda, tensorsIn } from '../torch/index.ts';
import type { HookHandle, Tensor } from '../torch/index.ts';
import { MultiheadAttention } from './backbones/index.ts';

/** Size and cost of a network. */
export interface Profile {
  /** Numbers that are trained. */
  parameters: number;
  /** Multiply-accumulate operations of convolutions, linear layers and attention for one image. */
  macs: number;
  /** Bytes of the state dict. */
  bytes: number;
}

/** Multiply-accumulates of one call of a module itself, without those of the modules in it. */
function macsOf(module: Module, input: Tensor, output: Tensor): number {
  if (module instanceof Conv2d || module instanceof Linear) {
    // Each number of the output is a sum over all weights of its channel.
    return (output.numel * module.weight.numel) / module.weight.shape[0]!;
  }
  // Each number of the input is multiplied by all weights of its channel.
  if (module instanceof ConvTranspose2d) return (input.numel * module.weight.numel) / module.weight.shape[0]!;
  if (module instanceof MultiheadAttention) {
    const [n = 0, tokens = 0] = input.shape;
    return 2 * n * tokens ** 2 * module.embedDims; // every token with every other one, twice
  }
  return 0;
}

/** Measures a network with one forward of zeros. @param shape `(C, H, W)` of an image. */
export function profileModel(model: Network, shape: readonly number[]): Profile {
  let macs = 0;
  const hooks: HookHandle[] = model.modules().map((module) =>
    module.registerForwardHook((_module, args, output) => {
      macs += macsOf(module, args[0] as Tensor, output as Tensor);
    }),
  );
  try {
    noGrad(() => inEvaluation(model, () => tidy(() => void model.forward(zeros(model, shape)))));
  } finally {
    for (const hook of hooks) hook.remove();
  }
  const parameters = model.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  const bytes = tidy(() => Object.values(model.stateDict()).reduce((sum, value) => sum + value.bytes().length, 0));
  return { parameters, macs, bytes };
}

/** One image of zeros, where the network is. */
function zeros(model: Network, shape: readonly number[]): Tensor {
  return ops.zeros([1, ...shape], { device: model.parameters()[0]?.device ?? 'cpu' });
}

/** Runs `body` while a network is in evaluation mode. */
function inEvaluation<T>(model: Network, body: () => T): T {
  const modes = model.modules().map((module) => [module, module.training] as const);
  try {
    model.eval();
    return body();
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}

/**
 * How long a network takes for one image: the median of `runs` forwards of zeros, in milliseconds, after a few that do not count.
 * @param shape `(C, H, W)` of the image
 */
export function measureLatency(model: Network, shape: readonly number[], { runs = 30 } = {}): number {
  return inferenceMode(() =>
    inEvaluation(model, () =>
      tidy(() => {
        const input = zeros(model, shape);
        const waits = isCuda(input.device);
        const once = (): number => {
          const start = performance.now();
          tidy(() => {
            const output = model.forward(input);
            if (waits) for (const one of tensorsIn(output)) one.sum().item(); // what was asked of the device is done then
          });
          return performance.now() - start;
        };
        for (let i = 0; i < 5; i++) once();
        return Array.from({ length: runs }, once).toSorted((a, b) => a - b)[Math.floor(runs / 2)]!;
      }),
    ),
  );
}

// How big and how costly a network is.
import { Conv2d, ConvTranspose2d, Linear } from '../nn/index.ts';
import type { Network, Module } from '../nn/index.ts';
import { noGrad, ops, tidy } from '../torch/index.ts';
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
  const modes = model.modules().map((module) => [module, module.training] as const);
  try {
    model.eval();
    noGrad(() => tidy(() => void model.forward(ops.zeros([1, ...shape]))));
  } finally {
    for (const hook of hooks) hook.remove();
    for (const [module, training] of modes) module.training = training;
  }
  const parameters = model.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  const bytes = tidy(() => Object.values(model.stateDict()).reduce((sum, value) => sum + value.bytes().length, 0));
  return { parameters, macs, bytes };
}

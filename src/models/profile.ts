// How big and how costly a network is.
import { Conv2d, Linear } from '../nn/index.ts';
import type { LossModel } from '../nn/index.ts';
import { noGrad, ops, tidy } from '../torch/index.ts';
import type { HookHandle, Tensor } from '../torch/index.ts';

export interface Profile {
  /** Numbers that are trained. */
  parameters: number;
  /** Multiply-accumulate operations of convolutions and linear layers for one image. */
  macs: number;
  /** Bytes of the state dict. */
  bytes: number;
}

/** Measures a network with one forward of zeros. @param shape `(C, H, W)` of an image. */
export function profileModel(model: LossModel, shape: readonly number[]): Profile {
  let macs = 0;
  const hooks: HookHandle[] = [];
  for (const module of model.modules()) {
    if (!(module instanceof Conv2d) && !(module instanceof Linear)) continue;
    // Each number of the output is a sum over all weights of its channel.
    const perOutput = module.weight.numel / module.weight.shape[0]!;
    hooks.push(
      module.registerForwardHook((_module, _args, output) => {
        macs += (output as Tensor).numel * perOutput;
      }),
    );
  }
  const modes = model.modules().map((module) => [module, module.training] as const);
  model.eval();
  try {
    noGrad(() => tidy(() => void model.forward(ops.zeros([1, ...shape]))));
  } finally {
    for (const hook of hooks) hook.remove();
    for (const [module, training] of modes) module.training = training;
  }
  const parameters = model.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  const bytes = tidy(() => Object.values(model.stateDict()).reduce((sum, value) => sum + value.bytes().length, 0));
  return { parameters, macs, bytes };
}

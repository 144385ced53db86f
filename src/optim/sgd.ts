// Stochastic gradient descent with momentum.
import { z } from 'zod';

import type { OptionsFrom } from '../registry/index.ts';
import { callOperator, keep } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Optimizer } from './optimizer.ts';
import type { ParamGroup, Update } from './optimizer.ts';

const ownOfSGD = {
  /** Step size. */
  lr: z.number().nonnegative(),
  /** Default 0. */
  momentum: z.number().nonnegative().default(0),
  /** How much of the gradient the momentum leaves out. Default 0. */
  dampening: z.number().default(0),
  /** L2 penalty, added to the gradient. Default 0. */
  weightDecay: z.number().nonnegative().default(0),
  /** Look ahead along the momentum. Needs momentum and no dampening. Default false. */
  nesterov: z.boolean().default(false),
  /** Go up instead of down. Default false. */
  maximize: z.boolean().default(false),
};
export interface SGDOptions extends OptionsFrom<typeof ownOfSGD> {}

/** The schema of {@link SGDOptions}. */
export const sgdOptions = z
  .strictObject(ownOfSGD)
  .refine(({ nesterov, momentum, dampening }) => !nesterov || (momentum > 0 && dampening === 0), {
    path: ['nesterov'],
    message: 'expected a momentum above 0 and no dampening beside it',
  });

/** {@link SGDOptions} once they are checked, with defaults. */
export type SGDSettings = z.output<typeof sgdOptions>;

/**
 * `g = grad + weightDecay * p; b = momentum * b + (1 - dampening) * g; p -= lr * (nesterov ? g + momentum * b : b)`,
 * where b starts as the first g. Sutskever et al., ICML 2013; equal to PyTorch's.
 */
export class SGD extends Optimizer<SGDSettings> {
  constructor(params: Iterable<Tensor> | readonly ParamGroup<SGDSettings>[], options: SGDOptions) {
    super(params, options, sgdOptions);
  }

  protected override update({ params, grads, states }: Update, options: SGDSettings): void {
    const { lr, momentum, dampening, weightDecay, nesterov, maximize } = options;
    let steps = grads;
    if (maximize) steps = foreach('_foreach_neg', steps);
    if (weightDecay !== 0) steps = foreach('_foreach_add', steps, params, { alpha: weightDecay });
    if (momentum !== 0) steps = this.#withMomentum(steps, states, momentum, dampening, nesterov);
    foreach('_foreach_add_', params, steps, { alpha: -lr });
  }

  #withMomentum(
    steps: Tensor[],
    states: Update['states'],
    momentum: number,
    dampening: number,
    nesterov: boolean,
  ): Tensor[] {
    const begun: number[] = [];
    for (const [i, state] of states.entries()) if (state['momentum_buffer'] !== undefined) begun.push(i);
    const old = begun.map((i) => states[i]!['momentum_buffer']!);
    if (old.length > 0) {
      foreach('_foreach_mul_', old, momentum);
      foreach(
        '_foreach_add_',
        old,
        begun.map((i) => steps[i]!),
        { alpha: 1 - dampening },
      );
    }
    const buffers = states.map((state, i) => (state['momentum_buffer'] ??= keep(steps[i]!.clone())));
    return nesterov ? foreach('_foreach_add', steps, buffers, { alpha: momentum }) : buffers;
  }
}

/** One of libtorch's operators on whole lists: one call for all parameters. */
export function foreach(name: string, ...args: readonly unknown[]): Tensor[] {
  return callOperator(name, args) as Tensor[];
}

// Adam, and AdamW with its decoupled weight decay.
import { z } from 'zod';

import type { OptionsFrom } from '../registry/index.ts';
import { keep, ops } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Optimizer } from './optimizer.ts';
import type { ParameterState, ParamGroup, Update } from './optimizer.ts';
import { foreach } from './sgd.ts';

const beta = z.number().nonnegative().lt(1);
const own = {
  /** Step size. Default 0.001. */
  lr: z.number().nonnegative().default(1e-3),
  /** Decay of the running means of the gradient and its square. Default `[0.9, 0.999]`. */
  betas: z.tuple([beta, beta]).readonly().default([0.9, 0.999]),
  /** Added to the divisor. Default 1e-8. */
  eps: z.number().nonnegative().default(1e-8),
  /** Adam: L2 penalty, added to the gradient (default 0). AdamW: share of the weight taken off each step (default 0.01). */
  weightDecay: z.number().nonnegative().default(0),
  /** Divide by the largest running mean seen. Reddi, Kale, Kumar, ICLR 2018. Default false. */
  amsgrad: z.boolean().default(false),
  /** Go up instead of down. Default false. */
  maximize: z.boolean().default(false),
};
export interface AdamOptions extends OptionsFrom<typeof own> {}

/** The schema of {@link AdamOptions} for {@link Adam}. */
export const adamOptions = z.strictObject(own);
/** {@link AdamOptions} once they are checked, with defaults. */
export type AdamSettings = z.output<typeof adamOptions>;
/** The schema of {@link AdamOptions} for {@link AdamW}. */
export const adamWOptions = z.strictObject({ ...own, weightDecay: z.number().nonnegative().default(0.01) });

/**
 * `m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
 * Kingma, Ba, arXiv 1412.6980; equal to PyTorch's.
 */
export class Adam extends Optimizer<AdamSettings> {
  /** @param schema of the options; a subclass may have defaults of its own. */
  constructor(
    params: Iterable<Tensor> | readonly ParamGroup<AdamSettings>[],
    options: AdamOptions = {},
    schema: z.ZodType<AdamSettings> = adamOptions,
  ) {
    super(params, options, schema);
  }

  /** What weight decay does to parameters or gradients before the step; gives the gradients to go on with. */
  protected decay(params: Tensor[], grads: Tensor[], { weightDecay }: AdamSettings): Tensor[] {
    return weightDecay === 0 ? grads : foreach('_foreach_add', grads, params, { alpha: weightDecay });
  }

  protected override update({ params, grads: given, states }: Update, options: AdamSettings): void {
    const { lr, betas, eps, amsgrad, maximize } = options;
    const [beta1, beta2] = betas;
    const grads = this.decay(params, maximize ? foreach('_foreach_neg', given) : given, options);
    for (const [i, state] of states.entries()) if (state['step'] === undefined) begin(state, params[i]!, amsgrad);
    const means = states.map((state) => state['exp_avg']!);
    const squares = states.map((state) => state['exp_avg_sq']!);
    foreach(
      '_foreach_add_',
      states.map((state) => state['step']!),
      1,
    );
    foreach('_foreach_mul_', means, beta1);
    foreach('_foreach_add_', means, grads, { alpha: 1 - beta1 });
    foreach('_foreach_mul_', squares, beta2);
    foreach('_foreach_addcmul_', squares, grads, grads, 1 - beta2);
    let denominators = squares;
    if (amsgrad) {
      denominators = states.map((state, i) => {
        const most = state['max_exp_avg_sq']!;
        return most.copy_(ops.maximum(most, squares[i]!));
      });
    }
    // Parameters of one group may have begun at different steps: each has corrections of its own.
    const counts = states.map((state) => state['step']!.item());
    const roots = foreach('_foreach_sqrt', denominators);
    foreach(
      '_foreach_div_',
      roots,
      counts.map((t) => Math.sqrt(1 - beta2 ** t)),
    );
    foreach('_foreach_add_', roots, eps);
    foreach(
      '_foreach_addcdiv_',
      params,
      means,
      roots,
      counts.map((t) => -lr / (1 - beta1 ** t)),
    );
  }
}

function begin(state: ParameterState, param: Tensor, amsgrad: boolean): void {
  state['step'] = keep(ops.zeros([]));
  state['exp_avg'] = keep(ops.zerosLike(param));
  state['exp_avg_sq'] = keep(ops.zerosLike(param));
  if (amsgrad) state['max_exp_avg_sq'] = keep(ops.zerosLike(param));
}

/** {@link Adam} with `p *= 1 - lr * weightDecay` in place of the L2 penalty. Loshchilov, Hutter, arXiv 1711.05101. */
export class AdamW extends Adam {
  constructor(params: Iterable<Tensor> | readonly ParamGroup<AdamSettings>[], options: AdamOptions = {}) {
    super(params, options, adamWOptions);
  }

  protected override decay(params: Tensor[], grads: Tensor[], { lr, weightDecay }: AdamSettings): Tensor[] {
    if (weightDecay !== 0) foreach('_foreach_mul_', params, 1 - lr * weightDecay);
    return grads;
  }
}

// Any loss of logits on standardised logits: a wrapper that z-scores both sides first.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { Tensor } from '../../torch/index.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossArguments, LossOptions } from './loss.ts';
import { widened } from './sides.ts';
import { standardise } from './standardise.ts';
import type { StandardiseOptions } from './standardise.ts';

export interface StandardisedLogitsOptions extends LossOptions, StandardiseOptions {
  /** The loss that gets the standardised logits. */
  loss: DistillLoss;
}

/** The arguments of the wrapped loss. */
export type StandardisedLogitsArguments = Readonly<Record<string, unknown>>;

const standardised = ['predsS', 'predsT'];

/**
 * `lossWeight * loss({ ...args, predsS: standardise(predsS), predsT: standardise(predsT) })`: see {@link standardise}. Where
 * `predsT` is a list, each of it. In a config: `{ type: 'StandardisedLogits', loss: { type: 'KLDivergence', tau: 2 } }`.
 *
 * Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, arXiv 2403.01731.
 */
export class StandardisedLogits extends DistillLoss {
  override readonly inputs: LossArguments;
  readonly loss: DistillLoss;
  readonly tau: number;
  readonly eps: number;

  /** @throws {RetortError} when the wrapped loss takes no logits. */
  constructor(options: StandardisedLogitsOptions) {
    super(options);
    const { loss, tau = 1, eps = 1e-7 } = options;
    const { required, optional = [] } = loss.inputs;
    if (!standardised.some((name) => required.includes(name) || optional.includes(name))) {
      throw new RetortError(
        `StandardisedLogits: loss: one that takes predsS or predsT was expected, got ${loss.constructor.name}`,
        { help: `${loss.constructor.name} takes ${required.join(', ')}` },
      );
    }
    this.inputs = loss.inputs;
    this.loss = loss;
    this.tau = tau;
    this.eps = eps;
  }

  /** @throws {RetortError} as the wrapped loss. */
  override forward(args: StandardisedLogitsArguments): Tensor {
    const given = Object.entries(args).map(([name, value]) =>
      standardised.includes(name) ? [name, this.#standardise(value)] : [name, value],
    );
    const forward = this.loss.forward as (args: object) => Tensor;
    return this.weigh(forward(Object.fromEntries(given)));
  }

  #standardise(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#standardise(one));
    return value instanceof Tensor ? standardise(widened(value), this) : value;
  }
}

/** The entry, given what builds the wrapped loss. A `compat` goes on to the wrapped loss, unless that has its own. */
export function standardisedLogits(build: (config: TypedConfig) => DistillLoss) {
  const wrapped = z.union(
    [z.custom<DistillLoss>((value) => value instanceof DistillLoss), z.looseObject({ type: z.string() })],
    { error: "expected a loss, such as { type: 'KLDivergence', tau: 2 }" },
  );
  const schema = lossSchema({
    loss: wrapped,
    tau: z.number().positive().exactOptional(),
    eps: z.number().positive().exactOptional(),
  });
  return entry(
    schema,
    ({ loss, ...options }) => {
      const { compat } = options;
      const inherited = compat === undefined ? {} : { compat };
      const inner = loss instanceof DistillLoss ? loss : build({ ...inherited, ...loss });
      return new StandardisedLogits({ ...options, loss: inner });
    },
    {
      summary: 'Any loss of logits, on logits brought to mean 0 and deviation 1.',
      paper: 'Sun, Ren, Li, Wang, Cao 2024, arXiv 2403.01731',
    },
  );
}

// Any loss of logits on standardized logits: a wrapper that z-scores both sides first.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { entry, typedOf } from '../../registry/index.ts';
import type { Entry, OptionsFrom, SettingsFrom, TypedConfig } from '../../registry/index.ts';
import { Tensor } from '../../torch/index.ts';
import { classAxis, ignoredIn, withoutIgnored } from './common/classes.ts';
import type { Labeled } from './common/classes.ts';
import { widened } from './common/sides.ts';
import { standardize } from './common/standardize.ts';
import { DistillLoss, lossSchema } from './loss.ts';
import type { LossArguments, LossOptions, LossSettings } from './loss.ts';

const own = {
  /** The loss that gets the standardized logits. */
  loss: z.custom<DistillLoss>((value) => value instanceof DistillLoss, 'expected a loss, such as new KLDivergence()'),
  /** Temperature: what the standard deviation is multiplied with. Default 1. */
  tau: z.number().positive().default(1),
  /** Added to the variance, so that a constant row becomes zeros with a finite gradient. Default 1e-7. */
  eps: z.number().positive().default(1e-7),
};
/** Options of {@link StandardizedLogits}. */
export interface StandardizedLogitsOptions extends LossOptions, OptionsFrom<typeof own> {}
/** The same in a config, where the loss may be one too. */
export interface StandardizedLogitsConfig extends Omit<StandardizedLogitsOptions, 'loss'> {
  /** The loss that gets the standardized logits, such as `{ type: 'KLDivergence', tau: 2 }`. */
  loss: DistillLoss | TypedConfig;
}

/** The arguments of the wrapped loss. */
export type StandardizedLogitsArguments = Readonly<Record<string, unknown>>;

const standardized = ['predsS', 'predsT'];

/**
 * `lossWeight * loss({ ...args, predsS: standardize(predsS), predsT: standardize(predsT) })`: see {@link standardize}. The
 * classes lie along the `dim` of the wrapped loss, or along 1. Where `predsT` is a list, each of it. In a config: `{ type: 'StandardizedLogits', loss: { type: 'KLDivergence', tau: 2 } }`.
 *
 * Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, arXiv 2403.01731.
 *
 * @example
 * ```ts
 * const loss = new StandardizedLogits({ loss: new KLDivergence({ tau: 2 }) });
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class StandardizedLogits extends DistillLoss<LossSettings & SettingsFrom<typeof own>> {
  static override readonly schema = lossSchema(own);
  override readonly inputs: LossArguments;
  readonly loss: DistillLoss;

  /** @throws {RetortError} when the wrapped loss takes no logits. */
  constructor(options: StandardizedLogitsOptions) {
    super(options);
    const { loss } = this.options;
    const { required, optional = [] } = loss.inputs;
    if (!standardized.some((name) => required.includes(name) || optional.includes(name))) {
      throw new RetortError(
        `StandardizedLogits: loss: expected one that takes predsS or predsT, got ${loss.constructor.name}`,
        { help: `${loss.constructor.name} takes ${required.join(', ')}` },
      );
    }
    this.inputs = loss.inputs;
    this.loss = loss;
  }

  /** @throws {RetortError} as the wrapped loss. */
  override forward(args: StandardizedLogitsArguments): Tensor {
    const given = Object.entries(args).map(([name, value]) =>
      standardized.includes(name) ? [name, this.#standardize([name, value], args)] : [name, value],
    );
    const forward = this.loss.forward as (args: object) => Tensor;
    return this.weigh(forward(Object.fromEntries(given)));
  }

  #standardize([name, value]: readonly [name: string, value: unknown], args: StandardizedLogitsArguments): unknown {
    if (Array.isArray(value)) return value.map((one, i) => this.#standardize([`${name}[${i}]`, one], args));
    if (!(value instanceof Tensor)) return value;
    const inner = this.loss.options as { dim?: number; ignoreIndex?: number };
    const { tau, eps } = this.options;
    const axis = classAxis('StandardizedLogits', [name, value], inner.dim ?? 1);
    const ignored = ignoredIn('StandardizedLogits', [name, value], axis, {
      ...(args as Partial<Labeled>),
      ignoreIndex: inner.ignoreIndex,
    });
    return standardize(withoutIgnored(widened(value), ignored, axis), { tau, eps, dim: axis });
  }
}

/** The entry, given what builds the wrapped loss. A `compat` goes on to the wrapped loss, unless that has its own. */
export function standardizedLogits(
  build: (config: TypedConfig) => DistillLoss,
): Entry<StandardizedLogits, StandardizedLogitsConfig> {
  const loss = typedOf<DistillLoss | TypedConfig>('loss', {
    expected: "expected a loss, such as { type: 'KLDivergence', tau: 2 }",
  });
  return entry(
    lossSchema({ ...own, loss }),
    ({ loss: given, ...options }) => {
      const { compat } = options;
      const inherited = compat === undefined ? {} : { compat };
      const inner = given instanceof DistillLoss ? given : build({ ...inherited, ...given });
      return new StandardizedLogits({ ...options, loss: inner });
    },
    {
      summary: 'Any loss of logits, on logits brought to mean 0 and deviation 1.',
      paper: 'Sun, Ren, Li, Wang, Cao 2024, arXiv 2403.01731',
    },
  );
}

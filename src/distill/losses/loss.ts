// What every distillation loss is: a module whose forward takes one object of named arguments and gives one tensor, and whose
// options are declared once, as the schema that configs and constructors are checked by.
import { z } from 'zod';

import { Module } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom, SettingsFrom } from '../../registry/index.ts';
import { noGrad, Tensor, tidy } from '../../torch/index.ts';

/** The names of a loss's arguments in their order, for the check of mappings before the first step. */
export interface LossArguments {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
  /** Those that are the one true class of each sample: there is none where images are mixed. */
  readonly classes?: readonly string[];
}

/** Whose numbers a loss, connector or distiller gives where they differ: MMRazor's. */
export type Compat = 'mmrazor';

const common = {
  /** Factor of the whole loss; with 0 a distiller does not compute it at all. Default 1. */
  lossWeight: z.number().default(1),
  /**
   * `'mmrazor'` gives the numbers of MMRazor where it differs from the paper or from what its options say; docs/differences.md
   * lists each case. Default: the right ones.
   */
  compat: z.literal('mmrazor').optional(),
};

/** The options of every loss. */
export interface LossOptions extends OptionsFrom<typeof common> {}

/** {@link LossOptions} once they are checked, with defaults. */
export interface LossSettings extends SettingsFrom<typeof common> {}

/** The schema of a loss's options: its own, and those of {@link LossOptions}. Unknown ones are refused. */
export function lossSchema<S extends z.ZodRawShape>(own: S) {
  return z.strictObject({ ...common, ...own });
}

/**
 * A distillation loss. A new one declares its options in `static schema`, made by {@link lossSchema}, and finds them, checked
 * and with defaults, in `this.options`; their type is `Settings`, such as `LossSettings & SettingsFrom<typeof own>`.
 *
 * @example
 * ```ts
 * class GapLoss extends DistillLoss {
 *   static override readonly schema = lossSchema({});
 *   override readonly inputs = { required: ['sFeature', 'tFeature'] };
 *
 *   override forward({ sFeature, tFeature }: FeaturePair): Tensor {
 *     return this.weigh(sFeature.sub(tFeature.detach()).abs().mean());
 *   }
 * }
 * ```
 */
export abstract class DistillLoss<Settings extends LossSettings = LossSettings> extends Module {
  /** What its options are checked by. A class without one checks its own options itself. */
  static readonly schema: z.ZodType = z.looseObject(common);

  /** The arguments of {@link forward}. */
  abstract readonly inputs: LossArguments;
  /** The options, with defaults. */
  readonly options: Settings;

  /** @throws {RetortError} for options that the schema refuses: unknown ones, and values that make no sense. */
  constructor(options: LossOptions = {}) {
    super();
    this.options = checkOptions(new.target.schema, options, new.target.name) as Settings;
  }

  get lossWeight(): number {
    return this.options.lossWeight;
  }

  /** Whether the numbers of MMRazor are asked for. */
  protected get original(): boolean {
    return this.options.compat === 'mmrazor';
  }

  /** The loss, already weighted: a scalar, unless the reduction is `'none'`. */
  abstract override forward(args: never): Tensor;

  /** `lossWeight * factor * loss` */
  protected weigh(loss: Tensor, factor = 1): Tensor {
    const weight = this.lossWeight * factor;
    return weight === 1 ? loss : loss.mul(weight);
  }

  /**
   * Why a value of this loss is NaN or infinite: which of its arguments holds -Infinity (a class of probability 0), and where. The trainer
   * and the probe ask for it once a value is known not to be finite; a loss that is fine pays nothing for it.
   * @param args the arguments that {@link forward} was given
   * @returns undefined where no argument holds -Infinity
   */
  explainNonFinite(args: object): string | undefined {
    return noGrad(() =>
      tidy(() => {
        for (const [name, tensor] of Object.entries(args).flatMap(([name, value]) => namedTensors(name, value))) {
          const index = firstMinusInfinity(tensor);
          if (index === undefined) continue;
          return `${name} is -Infinity at [${index.join(', ')}], a class of probability 0: KLDivergence is finite where the teacher has one, ReverseKL where the student has, JSDivergence where both have`;
        }
        return undefined;
      }),
    );
  }
}

function namedTensors(name: string, value: unknown): [name: string, tensor: Tensor][] {
  if (value instanceof Tensor) return [[name, value]];
  return Array.isArray(value) ? value.flatMap((one, i) => namedTensors(`${name}[${i}]`, one)) : [];
}

function firstMinusInfinity(tensor: Tensor): number[] | undefined {
  if (!/float/.test(tensor.dtype)) return undefined;
  const found = tensor.eq(-Infinity);
  return found.any().item() === 1 ? (found.nonzero().select(0, 0).toArray() as number[]) : undefined;
}

export const reductions = ['batchmean', 'mean', 'sum', 'none'] as const;
/** How the terms of a loss become one number: `batchmean` divides their sum by N, `mean` by how many there are. */
export type Reduction = (typeof reductions)[number];

// What every distillation loss is: a module whose forward takes one object of named arguments and gives one tensor, and whose
// options are declared once, as the schema that configs and constructors are checked by.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
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

/** What every loss may be told. */
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
    this.registerForwardHook((_, [args], output) => this.#explain(args as object, output));
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

  /** @throws {RetortError} for a loss that is no finite number because an argument holds -Infinity, such as a ruled-out class. */
  #explain(args: object, output: unknown): void {
    noGrad(() =>
      tidy(() => {
        if (!(output instanceof Tensor) || Number.isFinite(output.detach().sum().item())) return;
        for (const [name, tensor] of Object.entries(args).flatMap(([name, value]) => namedTensors(name, value))) {
          const place = firstMinusInfinity(tensor);
          if (place === undefined) continue;
          throw new RetortError(
            `${this.constructor.name}: ${name} is -Infinity at [${place.join(', ')}], and the loss is no finite number`,
            {
              help: 'a class of probability 0 on one side wants a loss that is finite there: KLDivergence for the teacher, ReverseKL for the student, JSDivergence for both; all other values must be finite',
            },
          );
        }
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

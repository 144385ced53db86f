// The one-cycle policy: the rate rises to its highest, then falls far below where it began, while the momentum does the opposite.
import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import type { Optimizer } from '../optimizer.ts';
import { FormulaScheduler } from './scheduler.ts';

const rate = z.number().positive();
const momentum = z.number().nonnegative().max(1);

const ownOfOneCycleLR = {
  /** Steps of the whole cycle; afterwards the rate stays. In a config the default is the scheduler's part of training. */
  totalSteps: z.number().int().min(2),
  /** The highest rate, or one for each group of parameters. Default: the optimizer's own rates. */
  maxLr: z.union([rate, z.array(rate).nonempty().readonly()]).exactOptional(),
  /** Share of the steps in which the rate rises. Default 0.3. */
  pctStart: z.number().positive().lt(1).default(0.3),
  /** Along half a cosine, or evenly. Default `'cos'`. */
  annealStrategy: z.enum(['cos', 'linear']).default('cos'),
  /** Move the momentum (of Adam the first beta) against the rate. Default true. */
  cycleMomentum: z.boolean().default(true),
  /** The momentum where the rate is highest. Default 0.85. */
  baseMomentum: momentum.default(0.85),
  /** The momentum at both ends. Default 0.95. */
  maxMomentum: momentum.default(0.95),
  /** The first rate is the highest over this. Default 25. */
  divFactor: rate.default(25),
  /** The last rate is the first one over this. Default 1e4. */
  finalDivFactor: rate.default(1e4),
  /** Fall to the first rate as slowly as it rose, and from there to the last. Default false: fall to the last at once. */
  threePhase: z.boolean().default(false),
};
export interface OneCycleLROptions extends OptionsFrom<typeof ownOfOneCycleLR> {}

/** The schema of {@link OneCycleLROptions}. */
export const oneCycleLROptions = z
  .strictObject(ownOfOneCycleLR)
  .refine(({ pctStart, threePhase }) => !threePhase || pctStart < 0.5, {
    path: ['pctStart'],
    message: 'expected less than 0.5, since with threePhase the rate falls for as long as it rose',
  });

/** From one value to another, until a step (which need not be whole). */
interface Phase {
  until: number;
  lr: readonly [from: keyof Rates, to: keyof Rates];
  momentum: readonly [from: keyof Momenta, to: keyof Momenta];
}
type Rates = Readonly<Record<'first' | 'highest' | 'last', number>>;
type Momenta = Readonly<Record<'base' | 'max', number>>;

/**
 * The rate goes from `maxLr / divFactor` up to `maxLr` and down to `maxLr / divFactor / finalDivFactor`; the momentum from
 * `maxMomentum` to `baseMomentum` and back. Smith, Topin 2017, arXiv 1708.07120; equal to PyTorch's.
 *
 * @example
 * ```ts
 * const optimizer = new SGD(new Linear(4, 2).parameters(), { lr: 0.1, momentum: 0.9 });
 * const scheduler = new OneCycleLR(optimizer, { totalSteps: 1000 }); // the rate is 0.004, after 299 steps 0.1
 * ```
 */
export class OneCycleLR extends FormulaScheduler {
  readonly totalSteps: number;
  readonly maxLr: number | readonly number[] | undefined;
  readonly annealStrategy: 'cos' | 'linear';
  readonly cycleMomentum: boolean;
  readonly baseMomentum: number;
  readonly maxMomentum: number;
  readonly pctStart: number;
  readonly divFactor: number;
  readonly finalDivFactor: number;
  readonly threePhase: boolean;
  readonly #phases: readonly Phase[];

  /** @throws {RetortError} for as many rates as there are no groups, and for an optimizer without momentum that is to cycle. */
  constructor(optimizer: Optimizer, options: OneCycleLROptions) {
    super(optimizer);
    const all = checkOptions(oneCycleLROptions, options, 'OneCycleLR');
    this.totalSteps = all.totalSteps;
    this.maxLr = all.maxLr;
    this.annealStrategy = all.annealStrategy;
    this.cycleMomentum = all.cycleMomentum;
    this.baseMomentum = all.baseMomentum;
    this.maxMomentum = all.maxMomentum;
    this.pctStart = all.pctStart;
    this.divFactor = all.divFactor;
    this.finalDivFactor = all.finalDivFactor;
    this.threePhase = all.threePhase;
    const groups = optimizer.paramGroups.length;
    if (Array.isArray(all.maxLr) && all.maxLr.length !== groups) {
      throw new RetortError(`OneCycleLR: maxLr: expected ${groups} rates, one per group, got ${all.maxLr.length}`);
    }
    if (all.cycleMomentum && optimizer.paramGroups.some((group) => !('betas' in group || 'momentum' in group))) {
      throw new RetortError(`OneCycleLR: cycleMomentum: ${optimizer.constructor.name} has neither momentum nor betas`, {
        help: 'set cycleMomentum: false',
      });
    }
    const top = this.pctStart * this.totalSteps - 1;
    const end = { until: this.totalSteps - 1 };
    this.#phases = [
      { until: top, lr: ['first', 'highest'], momentum: ['max', 'base'] },
      ...(this.threePhase
        ? ([
            { until: 2 * top, lr: ['highest', 'first'], momentum: ['base', 'max'] },
            { ...end, lr: ['first', 'last'], momentum: ['max', 'max'] },
          ] as const)
        : ([{ ...end, lr: ['highest', 'last'], momentum: ['base', 'max'] }] as const)),
    ];
    this.apply();
  }

  override apply(): void {
    super.apply();
    this.#setMomentum();
  }

  override restart(): void {
    super.restart();
    this.#setMomentum();
  }

  protected override next(_lr: number, t: number, base: number, group: number): number {
    return this.at(base, t, group);
  }
  protected override at(base: number, t: number, group: number): number {
    const { maxLr = base } = this;
    const highest = typeof maxLr === 'number' ? maxLr : maxLr[group]!;
    const first = highest / this.divFactor;
    const rates: Rates = { first, highest, last: first / this.finalDivFactor };
    const { share, phase } = this.#place(t);
    const [from, to] = phase.lr;
    return this.#between(rates[from], rates[to], share);
  }

  #setMomentum(): void {
    if (!this.cycleMomentum) return;
    const momenta: Momenta = { base: this.baseMomentum, max: this.maxMomentum };
    const { share, phase } = this.#place(this.lastEpoch);
    const [from, to] = phase.momentum;
    const value = this.#between(momenta[from], momenta[to], share);
    for (const group of this.optimizer.paramGroups as { momentum?: number; betas?: readonly number[] }[]) {
      if (group.betas === undefined) group.momentum = value;
      else group.betas = [value, ...group.betas.slice(1)];
    }
  }

  /** The phase that a step is in, and how far. */
  #place(t: number): { phase: Phase; share: number } {
    const step = Math.min(t, this.totalSteps - 1);
    const i = this.#phases.findIndex(({ until }) => step <= until);
    const phase = this.#phases[i]!;
    const begin = this.#phases[i - 1]?.until ?? 0;
    return { phase, share: phase.until === begin ? 1 : (step - begin) / (phase.until - begin) };
  }

  #between(from: number, to: number, share: number): number {
    if (this.annealStrategy === 'linear') return (to - from) * share + from;
    return to + ((from - to) / 2) * (Math.cos(Math.PI * share) + 1);
  }
}

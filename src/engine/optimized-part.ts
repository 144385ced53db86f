// The parameters that one optimizer moves, with its schedulers: differentiates totals, gathers gradients over the batches of a
// step, refuses those that are not finite, clips them, updates.
import { didYouMean, RetortError } from '../errors.ts';
import { gradNorm, limitGradNorm } from '../optim/index.ts';
import type { Optimizer, OptimizerStateDict, Scheduler, SchedulerDescription, SchedulerState } from '../optim/index.ts';
import { backward, callOperator, gradsOf, noGrad, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { span } from '../torch/internal.ts';
import { NonFiniteGradient, nonFiniteGradients } from './non-finite.ts';
import type { LoopOptions } from './options.ts';
import { Replicas } from './replicas.ts';

/** How one part of an algorithm is optimized. */
export interface PartOptions {
  optimizer: Optimizer;
  /** Stepped after every training step in which the optimizer moved, however often it did. */
  stepSchedulers?: readonly Scheduler[];
  /** Stepped after every epoch. */
  epochSchedulers?: readonly Scheduler[];
  /** Limit on the norm of all gradients together. Default none. */
  maxGradNorm?: number;
}

const known = ['optimizer', 'stepSchedulers', 'epochSchedulers', 'maxGradNorm'];

/** What a part was asked to do, as JSON can hold it: a resumed run is compared with what the checkpoint says of its own. */
export interface AskedPart {
  optimizer: string;
  /** Parameters and options of each group; `lr` is the rate that schedulers start from. */
  groups: { parameters: number; options: Readonly<Record<string, unknown>> }[];
  /** With `by: 'step'` or `'epoch'`. */
  schedulers: SchedulerDescription[];
}

/** How often the schedulers have been stepped, or would have been. */
export interface SchedulerCounts {
  steps: number;
  epochs: number;
  /** Of `steps`, those since the last epoch ended. */
  sinceEpoch: number;
}

/** A part as a checkpoint has it, without the optimizer's tensors. */
export interface SavedPart {
  /** Older checkpoints do not say. */
  asked?: AskedPart;
  counts?: SchedulerCounts;
  schedulers: SchedulerState[];
  paramGroups: OptimizerStateDict['param_groups'];
}

/** The parameters of one optimizer, with its schedulers. */
export class OptimizedPart {
  readonly optimizer: Optimizer;
  readonly schedulers: readonly Scheduler[];
  readonly #options: PartOptions;
  readonly #replicas: Replicas;
  /** How many updates are averaged: the batches of the step under way. */
  #round = 1;
  readonly #asked: AskedPart;
  /** The rates that were there when the schedulers had been made. */
  readonly #firstRates: readonly number[];
  readonly #counts: SchedulerCounts = { steps: 0, epochs: 0, sinceEpoch: 0 };
  #gathered = 0;
  #moved = false;
  #gradNorm: number | undefined;

  /** @throws {RetortError} for an unknown option, or a limit that is not above 0. */
  constructor(options: PartOptions, replicas = new Replicas()) {
    const wrong = Object.keys(options).filter((name) => !known.includes(name));
    if (wrong.length > 0) {
      throw new RetortError(`Trainer: parts: unknown option "${wrong.join('", "')}"; a part has ${known.join(', ')}`, {
        code: 'unknown-option',
        ...(wrong.includes('accumulate') ? { help: 'accumulate applies to all parts: give it to the trainer' } : {}),
      });
    }
    const { maxGradNorm } = options;
    if (maxGradNorm !== undefined && !(maxGradNorm > 0)) {
      throw new RetortError(`Trainer: maxGradNorm: expected a number above 0, got ${maxGradNorm}`);
    }
    this.#options = options;
    this.#replicas = replicas;
    this.optimizer = options.optimizer;
    this.schedulers = [...(options.stepSchedulers ?? []), ...(options.epochSchedulers ?? [])];
    this.#firstRates = this.optimizer.paramGroups.map((group) => group.lr);
    this.#asked = askedOf(options);
  }

  /** The part as a checkpoint keeps it. */
  saved(): SavedPart {
    return {
      asked: this.#asked,
      counts: { ...this.#counts },
      schedulers: this.schedulers.map((scheduler) => scheduler.stateDict()),
      paramGroups: this.optimizer.stateDict().param_groups,
    };
  }

  /** What of a saved part this one cannot take over, in words. */
  mistakes({ asked, schedulers }: SavedPart): string[] {
    const own = this.#asked;
    if (asked === undefined) {
      const [had, has] = [schedulers.length, own.schedulers.length];
      return had === has ? [] : [`schedulers: expected ${had}, as the run had, got ${has}`];
    }
    if (asked.optimizer !== own.optimizer)
      return [`optimizer: expected ${asked.optimizer}, as the run had, got ${own.optimizer}`];
    const sizes = ({ groups }: AskedPart): string => `[${groups.map(({ parameters }) => parameters).join(', ')}]`;
    if (sizes(asked) === sizes(own)) return [];
    return [`parameter groups: expected ${sizes(asked)} parameters, as the run had, got ${sizes(own)}`];
  }

  /**
   * Goes on from a saved part. An option of a group that is asked for otherwise than it was then is taken as it is asked for now;
   * where a rate or a schedule is, the rates become those that the schedule of now has at this point. Returns what has changed.
   * @throws {RetortError} when the optimizer's state does not fit; nothing is changed then.
   */
  takeOver(saved: SavedPart, state: OptimizerStateDict['state']): string[] {
    const { optimizer } = this;
    optimizer.loadStateDict({ state, param_groups: saved.paramGroups });
    const { asked = this.#asked, counts = countsOf(this.#options, saved.schedulers) } = saved;
    const before = this.lr;
    const changes: string[] = [];
    for (const [i, { options }] of this.#asked.groups.entries()) {
      const then = asked.groups[i]!.options;
      for (const [name, value] of Object.entries(options)) {
        if (name === 'lr' || same(value, then[name])) continue;
        Object.assign(optimizer.paramGroups[i]!, { [name]: value });
        changes.push(`${name} is ${shown(value)}, it was ${shown(then[name])}`);
      }
    }
    Object.assign(this.#counts, counts);
    const rates = (part: AskedPart): unknown => part.groups.map(({ options }) => options['lr']);
    if (same(rates(this.#asked), rates(asked)) && same(this.#asked.schedulers, asked.schedulers)) {
      this.schedulers.forEach((scheduler, i) => scheduler.loadStateDict(saved.schedulers[i]!));
    } else {
      this.#replay(counts);
      changes.push(
        `the learning rate is ${short(this.lr)} from here on, by the schedule of now; it was ${short(before)}`,
      );
    }
    return [...new Set(changes)];
  }

  /** Steps fresh schedulers as often as those of the run were. */
  #replay({ steps, epochs, sinceEpoch }: SchedulerCounts): void {
    const { stepSchedulers = [], epochSchedulers = [] } = this.#options;
    this.optimizer.paramGroups.forEach((group, i) => {
      group.lr = this.#firstRates[i]!;
      const { lr } = this.#asked.groups[i]!.options as { lr: number };
      if (group.initialLr !== undefined) group.initialLr = lr;
    });
    const stepAll = (schedulers: readonly Scheduler[], times: number): void => {
      for (let i = 0; i < times; i++) for (const scheduler of schedulers) scheduler.step();
    };
    for (let epoch = 0, done = 0; epoch < epochs; epoch++) {
      const upTo = Math.round(((steps - sinceEpoch) * (epoch + 1)) / epochs);
      stepAll(stepSchedulers, upTo - done);
      stepAll(epochSchedulers, 1);
      done = upTo;
    }
    stepAll(stepSchedulers, sinceEpoch);
  }

  /** The learning rate of the first group. */
  get lr(): number {
    return this.optimizer.paramGroups[0]!.lr;
  }

  /** The learning rate of each group. */
  get rates(): number[] {
    return this.optimizer.paramGroups.map((group) => group.lr);
  }

  /** The norm of all gradients together at the last update of the step, before they were limited; undefined where there was none. */
  get gradNorm(): number | undefined {
    return this.#gradNorm;
  }

  /** Begins a step of so many batches: as many updates are averaged each time before the parameters move. */
  beginStep(batches: number): void {
    this.#round = batches;
    this.#gathered = 0;
    this.#gradNorm = undefined;
  }

  /**
   * Differentiates a total and, with the last update of a round, moves the parameters.
   * @param options.alone whether only this part's parameters get gradients (others are on the way, but not trained by it).
   * @param options.check called when the gradients are there; what it throws keeps the parameters where they are.
   * @throws {NonFiniteGradient} before anything moves.
   */
  update(total: Tensor, { alone, check }: { alone: boolean; check?: () => void }): void {
    if (this.#gathered === 0) this.optimizer.zeroGrad();
    const loss = this.#round === 1 ? total : total.div(this.#round);
    const inputs = alone ? { inputs: this.optimizer.parameters() } : {};
    span('backward', undefined, () => backward([loss], [null], inputs));
    check?.();
    if (++this.#gathered === this.#round) this.#move();
  }

  /** Moves the parameters by the mean of what has been gathered. */
  #move(): void {
    const parameters = this.optimizer.parameters();
    // An algorithm that does not update a part with every batch ends a step with fewer updates.
    if (this.#gathered < this.#round) scaleGradients(parameters, this.#round / this.#gathered);
    this.#gathered = 0;
    this.#replicas.averageGradients(parameters);
    span('optimizer', undefined, () => {
      this.#limit(parameters);
      this.optimizer.step();
    });
    this.#moved = true;
  }

  /** One reduction over all gradients tells whether they are finite, and is the norm that is limited. */
  #limit(parameters: readonly Tensor[]): void {
    const { maxGradNorm } = this.#options;
    tidy(() => {
      let norm = gradNorm(parameters);
      this.#gradNorm = norm.item();
      if (!Number.isFinite(this.#gradNorm)) {
        const bad = nonFiniteGradients(parameters);
        if (bad.length > 0) throw new NonFiniteGradient(bad);
        norm = gradNorm(parameters, { dtype: 'float64' }); // it overflowed: every gradient is finite
        this.#gradNorm = norm.item();
      }
      if (maxGradNorm !== undefined) limitGradNorm(parameters, norm, maxGradNorm);
    });
  }

  /** Ends a step: what is still gathered moves the parameters, schedulers that count steps go on. */
  endStep(): void {
    if (this.#gathered > 0) this.#move();
    if (!this.#moved) return;
    this.#moved = false;
    this.#counts.steps++;
    this.#counts.sinceEpoch++;
    for (const scheduler of this.#options.stepSchedulers ?? []) scheduler.step();
  }

  endEpoch(): void {
    this.#counts.epochs++;
    this.#counts.sinceEpoch = 0;
    for (const scheduler of this.#options.epochSchedulers ?? []) scheduler.step();
  }
}

/** What of a trainer's options says how its parameters are moved. */
export interface PartsOptions {
  /** Moves everything that is trained. Leave it out where `parts` has several. */
  optimizer?: Optimizer;
  /** Stepped after every training step in which the optimizer moved. */
  stepSchedulers?: readonly Scheduler[];
  /** Stepped after every epoch. */
  epochSchedulers?: readonly Scheduler[];
  /** Optimizers of their own for parts of the algorithm, by the path of the sub-module (`architecture`, `generator`). */
  parts?: Readonly<Record<string, PartOptions>>;
}

/**
 * The parts of a trainer, by the path of what they train; `''` is everything.
 * @throws {RetortError} unless exactly one of `optimizer` and `parts` is given.
 */
export function optimizedParts(
  { optimizer, parts, ...options }: PartsOptions & Pick<LoopOptions, 'maxGradNorm'>,
  replicas: Replicas,
): ReadonlyMap<string, OptimizedPart> {
  const { stepSchedulers, epochSchedulers, maxGradNorm } = options;
  const limits = maxGradNorm === undefined ? {} : { maxGradNorm };
  if ((optimizer === undefined) === (parts === undefined)) {
    throw new RetortError(
      `Trainer: expected either optimizer or parts, got ${optimizer === undefined ? 'neither' : 'both'}`,
    );
  }
  if (parts !== undefined) {
    return new Map(
      Object.entries(parts).map(([name, part]) => [name, new OptimizedPart({ ...limits, ...part }, replicas)]),
    );
  }
  const all: PartOptions = {
    ...limits,
    optimizer: optimizer!,
    ...(stepSchedulers === undefined ? {} : { stepSchedulers }),
    ...(epochSchedulers === undefined ? {} : { epochSchedulers }),
  };
  return new Map([['', new OptimizedPart(all, replicas)]]);
}

/**
 * Whose parameters an algorithm's update moves, and whether others are left as they are.
 * @throws {RetortError} for a part without an optimizer, and for one total of several optimizers.
 */
export function partToUpdate(
  parts: ReadonlyMap<string, OptimizedPart>,
  name: string | undefined,
  algorithm: object,
): { part: OptimizedPart; alone: boolean } {
  const own = name === undefined ? undefined : parts.get(name);
  if (own !== undefined) return { part: own, alone: true };
  if (name === undefined && parts.size > 1) {
    throw new RetortError(
      `Trainer: ${algorithm.constructor.name} trains everything with one total loss, but there are optimizers for ${[...parts.keys()].join(', ')}`,
      { help: 'give one optimizer; its parameter groups may have different learning rates' },
    );
  }
  const all = parts.get('');
  if (all !== undefined && name === undefined) return { part: all, alone: false };
  const known = [...parts.keys()].map((one) => (one === '' ? 'everything' : one));
  throw new RetortError(`Trainer: no optimizer for "${name ?? 'everything'}"; ${didYouMean(name ?? '', known)}`, {
    code: 'unknown-name',
    help: `give optimizers by part: { ${name}: { ... } }`,
  });
}

function scaleGradients(parameters: readonly Tensor[], factor: number): void {
  noGrad(() =>
    tidy(() => {
      const gradients = gradsOf(parameters).filter((gradient) => gradient !== null);
      if (gradients.length > 0) callOperator('_foreach_mul_', [gradients, factor]);
    }),
  );
}

/** What older checkpoints say of it: how often each scheduler was stepped. */
function countsOf({ stepSchedulers = [] }: PartOptions, states: readonly SchedulerState[]): SchedulerCounts {
  const steps = states.slice(0, stepSchedulers.length).at(0)?.lastEpoch ?? 0;
  return { steps, epochs: states.slice(stepSchedulers.length).at(0)?.lastEpoch ?? 0, sinceEpoch: 0 };
}

function askedOf({ optimizer, stepSchedulers = [], epochSchedulers = [] }: PartOptions): AskedPart {
  const asked: AskedPart = {
    optimizer: optimizer.constructor.name,
    groups: optimizer.paramGroups.map(({ params, initialLr, ...options }) => ({
      parameters: params.length,
      options: { ...options, lr: initialLr ?? options.lr },
    })),
    schedulers: [
      ...stepSchedulers.map((scheduler) => ({ by: 'step', ...scheduler.describe() })),
      ...epochSchedulers.map((scheduler) => ({ by: 'epoch', ...scheduler.describe() })),
    ],
  };
  return JSON.parse(JSON.stringify(asked)) as AskedPart;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const shown = (value: unknown): string => JSON.stringify(value) ?? 'not set';
const short = (rate: number): string => String(Number(rate.toPrecision(4)));

// The training loop: epochs of steps, an evaluation after each, checkpoints from which a run resumes bit for bit. A step is one update of
// the weights, of one batch or of several (see TrainerOptions); the loop goes from step to step, so that whatever is counted,
// saved or stopped is between two of them.

import { requireSameClasses } from '../data/classes.ts';
import { RetortError } from '../errors.ts';
import { makeFolder, realPath } from '../files.ts';
import { saveModule, sizeOf } from '../nn/index.ts';
import type { UpdateRequest } from '../nn/index.ts';
import { checkOptions } from '../registry/index.ts';
import { autocast, requireDevice, tidy, withoutAutocast } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { span } from '../torch/internal.ts';
import { CoreShare } from './core-share.ts';
import { Evaluation } from './evaluation.ts';
import { runFiles } from './run-files.ts';
import { epochsDone, flatMetrics } from './hooks/index.ts';
import type { Hook, Run } from './hooks/index.ts';
import { Metrics, ratesOf } from './metrics.ts';
import { nextTurn } from './next-turn.ts';
import {
  FiniteState,
  firstNonFinite,
  gradientError,
  NonFiniteGradient,
  nonFiniteFrozen,
  requireFinite,
} from './non-finite.ts';
import { optimizedParts, partToUpdate } from './optimized-part.ts';
import type { OptimizedPart } from './optimized-part.ts';
import { Profile, saveProfile, unmeasured } from './profile.ts';
import type { Timing } from './profile.ts';
import { shownMetrics, silent } from './progress.ts';
import type { StepReport } from './progress.ts';
import { Replicas } from './replicas.ts';
import { studentPath } from './run-files.ts';
import { claimRun } from './run-lock.ts';
import type { RunLock } from './run-lock.ts';
import { trainerOptions } from './trainer-options.ts';
import type { TrainerOptions, TrainingResult } from './trainer-options.ts';
import { loadTraining, saveTraining } from './training-checkpoint.ts';
import type { Position, TrainerState, TrainingParts } from './training-checkpoint.ts';

/**
 * Trains an algorithm: epochs of steps, an evaluation after each, checkpoints that a stopped run resumes from bit for bit.
 * The same options and seeds give the same weights.
 *
 * @example
 * ```ts
 * const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.05, momentum: 0.9 });
 * const trainer = new Trainer({ algorithm, trainLoader, valLoader, optimizer, epochs: 3, workDir: 'runs/kd' });
 * const { metrics } = await trainer.run();
 * console.log(metrics['student']?.['accuracy']); // in percent
 * ```
 */
export class Trainer {
  readonly #options: TrainerOptions;
  readonly #parts: ReadonlyMap<string, OptimizedPart>;
  readonly #hooks: readonly Hook[];
  readonly #replicas: Replicas;
  readonly #evaluation: Evaluation;
  #cores: CoreShare | undefined;
  readonly #run: Run;
  /** Optimizer steps in a whole epoch. */
  readonly #stepsPerEpoch: number;
  #timing: Timing = unmeasured;
  #metrics: Metrics | undefined;
  /** Whether the evaluation has been tried on a few images. */
  #probed = false;
  /** The folder whose files are this run's own: the one it was resumed from, or has begun to write. */
  #own: string | undefined;
  /** What the last checkpoint was written after, in words. */
  #checkpoint: string | undefined;
  #state: TrainerState = {
    position: { epoch: 0, step: 0 },
    steps: 0,
    batches: 0,
    metrics: {},
    evaluationDue: false,
    seconds: 0,
  };

  /**
   * With `device`, algorithm and loaders are moved there; parameters stay the same objects, and optimizers keep theirs.
   * @throws {RetortError} for options that there are not, counts that make no sense, a device that there is not, or invalid parts.
   */
  constructor(options: TrainerOptions) {
    checkOptions(trainerOptions, options, 'Trainer');
    const { algorithm, epochs, trainLoader, valLoader, workDir, accumulate = 1, hooks = [] } = options;
    if (trainLoader.length === 0) {
      throw new RetortError('Trainer: trainLoader: expected at least one batch, got none', {
        help: 'the data set is smaller than one batch and dropLast is set: use a smaller batchSize',
      });
    }
    const { device } = options;
    if (device !== undefined) {
      requireDevice(device, 'Trainer: device');
      for (const part of [algorithm, trainLoader, valLoader]) part?.to({ device });
    }
    if (valLoader !== undefined) requireSameClasses(valLoader.dataset, trainLoader.dataset);
    const replicas = new Replicas(options.group);
    if (trainLoader.worldSize !== replicas.count) {
      throw new RetortError(
        `Trainer: ${replicas.count} processes train together, but trainLoader shares its samples among ${trainLoader.worldSize}`,
        { help: 'give the loader a DistributedSampler of the same group, and the trainer that group' },
      );
    }
    const progress = replicas.first ? (options.progress ?? silent) : silent;
    this.#options = { ...options, progress };
    this.#replicas = replicas;
    this.#parts = optimizedParts(options, replicas);
    this.#hooks = hooks;
    this.#evaluation = new Evaluation(options);
    this.#stepsPerEpoch = Math.ceil(trainLoader.length / accumulate);
    const state = (): TrainerState => this.#state;
    this.#run = {
      algorithm,
      epochs,
      stepsPerEpoch: this.#stepsPerEpoch,
      workDir: replicas.first ? workDir : undefined,
      progress,
      get position() {
        return state().position;
      },
      get evaluationDue() {
        return state().evaluationDue;
      },
      stop: (reason) => {
        this.#state.ended ??= reason;
      },
    };
    if (workDir !== undefined) makeFolder(workDir);
  }

  /** Where the run stands. */
  get position(): Readonly<Position> {
    return this.#state.position;
  }

  /** All that some optimizer moves. */
  parameters(): Tensor[] {
    return [...this.#parts.values()].flatMap((part) => part.optimizer.parameters());
  }

  /** Whether nothing is left to do. */
  get finished(): boolean {
    return this.#finished() && !this.#state.evaluationDue;
  }

  /**
   * Goes on from the training checkpoint in a run's folder. Rates, schedules, options of the optimizer and the number of epochs are
   * those of now; what else has changed is refused.
   * @param mistakes what the caller has found that keeps the run from being resumed: said together with what is found here.
   * @throws {RetortError} when there is none, or this trainer cannot go on with it: all reasons, each with both values.
   */
  resume(workDir: string, mistakes: readonly string[] = []): this {
    const { accumulate = 1 } = this.#options;
    const { steps, batches, ...saved } = loadTraining(workDir, this.#saved(), {
      say: (text) => this.#run.progress.line(text),
      mistakes,
    });
    // Older checkpoints counted batches only.
    const done = batches ?? saved.position.step;
    const position = { epoch: saved.position.epoch, step: Math.floor(done / accumulate) };
    const before = position.epoch * this.#stepsPerEpoch + position.step;
    this.#state = { ...saved, position, batches: done, steps: steps ?? before };
    this.#own = realPath(workDir);
    this.#checkpoint = this.#where();
    return this;
  }

  /**
   * What would keep the evaluation from being made, found by evaluating a few images: nothing where all is well. {@link run} asks
   * too, before it goes on to train.
   */
  async probeEvaluation(): Promise<string[]> {
    this.#probed = true;
    return this.#evaluation.probe();
  }

  /**
   * Trains to the last epoch, or until the signal.
   * @throws {RetortError} when a loss, a gradient or a weight is not finite, an evaluation cannot be made, or `workDir` is in use
   *   by another process or holds another run.
   */
  async run(): Promise<TrainingResult> {
    using _lock = this.#claim();
    const run = this.#run;
    const { tensorboard = false } = this.#options;
    const written = { hooks: this.#hooks, tensorboard };
    using metrics = this.#replicas.first ? new Metrics(run, this.#state, written) : undefined;
    this.#metrics = metrics;
    const { group, cores = CoreShare.ofMachine(group, (text) => run.progress.line(text)) } = this.#options;
    using _cores = cores;
    this.#cores = cores;
    const { algorithm } = this.#options;
    this.#replicas.shareState(algorithm);
    if (this.#state.steps === 0) this.#replicas.seedApart();
    const begun: Hook[] = [];
    const errors: unknown[] = [];
    let result: TrainingResult | undefined;
    try {
      for (const hook of this.#hooks) {
        hook.beforeRun?.(run);
        begun.push(hook);
      }
      result = await this.#train(metrics);
    } catch (error) {
      errors.push(this.#withCheckpoint(error));
    }
    // Whatever went wrong, all that has begun ends; the first error is what the run ends with, others are said.
    errors.push(...(await this.#end(begun)));
    for (const error of errors.slice(1)) {
      run.progress.line(`note: at the end of the run: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (errors.length > 0) throw errors[0];
    return result!;
  }

  /** @returns what was reached, `stopped` where it was asked to */
  async #train(metrics: Metrics | undefined): Promise<TrainingResult> {
    const { algorithm, trainLoader, profile } = this.#options;
    const finite = new FiniteState({ algorithm, parts: this.#parts, hooks: this.#hooks });
    await this.#beforeTraining();
    if (this.#state.steps === 0 && !this.#finished()) await metrics?.images(trainLoader);
    if (profile === true && this.#replicas.first) this.#timing = new Profile();
    if (this.#state.evaluationDue) await this.#evaluate();
    if (this.#state.steps === 0) await this.#betweenEpochs();
    while (!this.#finished()) {
      if (!(await this.#epoch(finite))) return this.#result(true);
    }
    if (Object.keys(this.#state.metrics).length === 0) await this.#evaluate();
    if (this.#state.ended !== undefined) this.#run.progress.line(`training ends: ${this.#state.ended}`);
    this.#save();
    return this.#result(false);
  }

  /** Ends all that has begun, each part whatever became of the others. @returns what went wrong */
  async #end(begun: readonly Hook[]): Promise<unknown[]> {
    const run = this.#run;
    const { algorithm, trainLoader } = this.#options;
    const profile = this.#timing;
    this.#timing = unmeasured;
    const errors: unknown[] = [];
    for (const end of [
      ...begun.map((hook) => () => hook.afterRun?.(run)),
      () => algorithm.afterRun?.(),
      () => trainLoader[Symbol.dispose](),
      () => (profile instanceof Profile ? saveProfile(profile, run) : undefined),
    ]) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  /**
   * Where another process was lost inside a step, nothing whole is left to be saved: what the step moved before (statistics, memories)
   * has moved, its update was not made. So the error says from where the run goes on.
   */
  #withCheckpoint(error: unknown): unknown {
    if (!(error instanceof RetortError) || error.code !== 'process-group' || this.#options.group === undefined) {
      return error;
    }
    const where =
      this.#checkpoint === undefined
        ? 'no checkpoint was written (saveInterval: N writes one every N steps)'
        : `${this.#options.workDir} is saved up to ${this.#checkpoint}: --resume (resume: true) goes on from there, in any number of processes`;
    return new RetortError(error.what, { code: error.code, help: `${error.help ?? ''}; ${where}`, cause: error });
  }

  /** Makes the folder this run's own. */
  #claim(): RunLock | undefined {
    const { workDir, overwrite, lock } = this.#options;
    if (workDir === undefined || !this.#replicas.first) return undefined;
    const say = (text: string): void => this.#run.progress.line(text);
    const taken = claimRun(workDir, { own: this.#own, overwrite, lock, say });
    this.#own = realPath(workDir);
    return taken;
  }

  /** What is known to go wrong, or to be odd, is said before time is spent on it. */
  async #beforeTraining(): Promise<void> {
    if (this.#finished()) return;
    const { algorithm } = this.#options;
    const leftOut = this.#evaluation.leftOut();
    if (leftOut !== undefined) this.#run.progress.line(`note: ${leftOut}`);
    for (const name of nonFiniteFrozen(algorithm)) this.#run.progress.line(`note: ${name} is frozen and not finite`);
    if (this.#probed) return;
    const mistakes = await this.probeEvaluation();
    if (mistakes.length > 0) throw new RetortError(`Trainer: ${mistakes.join('\n')}`);
  }

  #finished(): boolean {
    const { epochs, maxSteps = Infinity } = this.#options;
    const { position, steps, ended } = this.#state;
    return ended !== undefined || position.epoch >= epochs || steps >= maxSteps;
  }

  #result(stopped: boolean): TrainingResult {
    const { metrics, seconds } = this.#state;
    const profile = this.#timing;
    if (!(profile instanceof Profile)) return { metrics, seconds, stopped };
    profile.end();
    return { metrics, seconds, stopped, profile: profile.report() };
  }

  /** The rest of the epoch under way, or as much of it as there is to be; false when the signal stopped it. */
  async #epoch(finite: FiniteState): Promise<boolean> {
    const { algorithm, signal, trainLoader, epochs, maxSteps = Infinity } = this.#options;
    const { saveInterval = Infinity, valInterval = 1 } = this.#options;
    const { epoch } = this.#state.position;
    const state = this.#state;
    algorithm.train();
    for (const hook of this.#hooks) hook.beforeEpoch?.(this.#run);
    const more = (): boolean => state.batches < trainLoader.length && state.steps < maxSteps;
    let stopped = false;
    while (more() && !stopped) {
      await this.#step();
      stopped = this.#replicas.any(signal?.aborted === true);
      // What is saved after the last step knows that the epoch, and with it an evaluation, is to come; nothing is saved between.
      if (stopped || !more() || state.position.step % saveInterval !== 0) continue;
      this.#require(finite);
      this.#save();
    }
    this.#require(finite);
    if (!more()) {
      if (state.batches >= trainLoader.length) {
        for (const part of this.#parts.values()) part.endEpoch();
        state.position = { epoch: epoch + 1, step: 0 };
        state.batches = 0;
        for (const hook of this.#hooks) hook.afterEpoch?.(this.#run);
      } // otherwise maxSteps ended it: whoever goes on from there goes on inside this epoch
      const last = state.position.epoch === epochs || state.steps >= maxSteps;
      state.evaluationDue = state.position.epoch % valInterval === 0 || last;
    }
    this.#save();
    if (stopped) return false;
    if (state.evaluationDue) {
      await this.#evaluate();
      this.#save();
    }
    if (state.position.step === 0) await this.#betweenEpochs();
    return true;
  }

  /** Hooks have time to look at the networks: of several processes in the first alone, the others wait at their next step. */
  async #betweenEpochs(): Promise<void> {
    if (!this.#replicas.first) return;
    for (const hook of this.#hooks) await hook.betweenEpochs?.(this.#run, this.#options.valLoader);
  }

  #require(finite: FiniteState): void {
    this.#timing.span('saving', 'check', () => finite.require(this.#where()));
  }

  /** The step that was made last, in words. */
  #where(step = this.#state.position.step): string {
    return `epoch ${this.#state.position.epoch + 1}, step ${step}`;
  }

  /** One step: losses of its batches, the mean of their gradients, an update. All that a batch makes is freed at its end. */
  async #step(): Promise<void> {
    const { algorithm, trainLoader, epochs, maxSteps = Infinity, accumulate = 1, progress = silent } = this.#options;
    const state = this.#state;
    const timing = this.#timing;
    const { position, batches: first } = state;
    timing.beginStep();
    const stepBegan = performance.now();
    const end = Math.min(trainLoader.length, (Math.floor(first / accumulate) + 1) * accumulate);
    algorithm.setProgress({ epoch: position.epoch + first / trainLoader.length, step: state.steps });
    const rates = ratesOf(this.#parts);
    for (const part of this.#parts.values()) part.beginStep(end - first);
    const losses: Readonly<Record<string, number>>[] = [];
    let images = 0;
    for (let batch = first; batch < end; batch++) {
      await timing.wait('data', 'waiting', () => trainLoader.prepare(position.epoch, batch));
      const began = performance.now();
      const done = this.#batch(batch, batch + 1 === end);
      for (const line of algorithm.notes?.() ?? []) progress.line(line);
      losses.push(done.losses);
      images += done.images;
      state.seconds += (performance.now() - began) / 1000;
      if (batch + 1 < end) await timing.wait('between steps', undefined, nextTurn);
    }
    this.#replicas.averageStatistics(algorithm);
    algorithm.afterStep();
    state.position = { epoch: position.epoch, step: position.step + 1 };
    state.batches = end;
    state.steps++;
    const left = (epochs - position.epoch) * this.#stepsPerEpoch - state.position.step;
    const report: StepReport = {
      epoch: position.epoch + 1,
      epochs,
      step: state.position.step,
      steps: this.#stepsPerEpoch,
      left: Math.min(left, maxSteps - state.steps),
      images: images * this.#replicas.count,
      losses: this.#replicas.mean(means(losses)),
      lr: Object.values(rates)[0]!,
      ...(this.#metrics?.best === undefined ? {} : { best: this.#metrics.best }),
    };
    for (const hook of this.#hooks) timing.span('hooks', hook.name, () => hook.afterStep?.(this.#run, report));
    const { steps, seconds } = state;
    const norms = Object.fromEntries([...this.#parts].map(([name, part]) => [name, part.gradNorm]));
    timing.span('hooks', 'metrics', () =>
      this.#metrics?.step(report, { steps, seconds, began: stepBegan, rates, norms }),
    );
    timing.span('hooks', 'progress', () => progress.step(report));
    timing.endStep();
    this.#cores?.betweenSteps();
    await timing.wait('between steps', undefined, nextTurn);
  }

  /** Losses and gradients of one batch; with the last one of a step the weights move. */
  #batch(index: number, last: boolean): { losses: Readonly<Record<string, number>>; images: number } {
    const { algorithm, trainLoader, precision, group } = this.#options;
    const { device } = trainLoader;
    const { position } = this.#state;
    const where = this.#where(position.step + 1);
    const body = (): { losses: Readonly<Record<string, number>>; images: number } => {
      const batch = span('data', 'batches', () => trainLoader.load(position.epoch, index));
      const alone = <T>(body: () => T): T => (group === undefined ? body() : group.alone(body));
      const explain = (): string | undefined =>
        alone(() => firstNonFinite(algorithm, () => void algorithm.trainStep(batch, () => undefined)));
      const elsewhere = (here: boolean): boolean => this.#replicas.any(here);
      const read = new Map<Tensor, number>();
      let values: Readonly<Record<string, number>> = {};
      // Losses are read when their gradients are there, in one go, once each: nothing waits for a number on the way there.
      const update = ({ total, part: name, entries }: UpdateRequest): void => {
        const { part, alone: others } = partToUpdate(this.#parts, name, algorithm);
        const check = (): void => {
          values = numbers(entries, read);
          requireFinite(values, where, { explain, elsewhere });
        };
        // Inside autocast the networks' weights are kept in the smaller dtype: leaving it, a later forward of this step sees them moved.
        withoutAutocast(() => part.update(total, { alone: others, check }));
      };
      const train = (): Readonly<Record<string, number>> => numbers(algorithm.trainStep(batch, update), read);
      try {
        const losses = precision === 'bfloat16' ? autocast(train, precision, device) : train();
        if (last) for (const part of this.#parts.values()) part.endStep();
        return { losses, images: sizeOf(batch.inputs) };
      } catch (error) {
        if (!(error instanceof NonFiniteGradient)) throw error;
        const again = (body: (request: UpdateRequest) => void): void =>
          alone(() => void algorithm.trainStep(batch, body));
        throw gradientError(where, error, { root: algorithm, losses: values, again });
      }
    };
    return this.#timing.batch(() => tidy(body));
  }

  async #evaluate(): Promise<void> {
    const { epochs, progress = silent } = this.#options;
    this.#state.evaluationDue = false;
    const metrics = await this.#timing.wait('evaluation', undefined, async () => {
      const measured = await this.#evaluation.measure(this.#run, this.#cores);
      if (measured !== undefined) await this.#savePredictions(measured['agreement']);
      return measured;
    });
    if (metrics === undefined) return;
    this.#state.metrics = metrics;
    this.#metrics?.evaluation(metrics, this.#state);
    progress.line(`epoch ${epochsDone(this.#run)}/${epochs}  ${shownMetrics(metrics)}`);
    for (const [name, value] of Object.entries(flatMetrics(metrics))) {
      if (!Number.isFinite(value)) progress.line(`note: ${name} is ${value}, which does not count as a gain`);
    }
    for (const hook of this.#hooks) hook.afterEvaluate?.(this.#run, metrics);
  }

  /** What this cannot write is said and does not end training: the next evaluation writes it anew. */
  async #savePredictions(agreement: Readonly<Record<string, number>> | undefined): Promise<void> {
    const { workDir, progress = silent } = this.#options;
    if (workDir === undefined || !this.#replicas.first) return;
    const done = { step: this.#state.steps, epoch: epochsDone(this.#run), agreement };
    try {
      await this.#evaluation.savePredictions(workDir, done);
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      progress.line(`note: ${runFiles.predictions}: ${error.message.split('\n')[0]}`);
    }
  }

  #saved(): TrainingParts {
    const { algorithm, epochs, maxSteps, accumulate = 1, trainLoader } = this.#options;
    const { batchSize, dataset, device } = trainLoader;
    const shape = { epochs, maxSteps, accumulate, steps: this.#stepsPerEpoch, batchSize, samples: dataset.length };
    return { algorithm, parts: this.#parts, hooks: this.#hooks, replicas: this.#replicas, shape, device };
  }

  #save(): void {
    const { workDir } = this.#options;
    if (workDir !== undefined) this.#timing.span('saving', 'checkpoint', () => this.#saveTo(workDir));
  }

  #saveTo(workDir: string): void {
    const { algorithm } = this.#options;
    this.#metrics?.sync();
    saveTraining(workDir, this.#saved(), this.#state);
    this.#checkpoint = this.#where();
    if (!this.#replicas.first) return;
    for (const [name, model] of Object.entries(algorithm.students())) {
      saveModule(studentPath(workDir, algorithm, name), model);
    }
    for (const hook of this.#hooks) hook.afterSave?.(this.#run);
  }
}

/** @param read what was read before. */
function numbers(entries: Readonly<Record<string, Tensor>>, read: Map<Tensor, number>): Record<string, number> {
  const valueOf = (entry: Tensor): number => {
    const value = read.get(entry) ?? entry.item();
    read.set(entry, value);
    return value;
  };
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, valueOf(entry)]));
}

/** The mean of each entry over those that have it. */
function means(all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  if (all.length === 1) return all[0]!;
  const names = [...new Set(all.flatMap((one) => Object.keys(one)))];
  return Object.fromEntries(
    names.map((name) => {
      const values = all.flatMap((one) => (Object.hasOwn(one, name) ? [one[name]!] : []));
      return [name, values.reduce((sum, value) => sum + value, 0) / values.length];
    }),
  );
}

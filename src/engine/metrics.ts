// What a run measures, on its way out: each step and each evaluation becomes one record, which goes into `metrics.jsonl` of the run's
// folder, to TensorBoard where that is asked for, and to the hooks that want it.
import type { DataLoader } from '../data/index.ts';
import type { Inputs } from '../nn/index.ts';
import { memory } from '../torch/index.ts';
import { lowerIsBetter } from './best-metrics.ts';
import { epochsDone, flatMetrics } from './hooks/index.ts';
import type { Hook, NetworkMetrics, Run } from './hooks/index.ts';
import { MetricsFile, readMetrics } from './metrics-file.ts';
import type { Done, MetricsRecord } from './metrics-file.ts';
import type { OptimizedPart } from './optimized-part.ts';
import type { StepReport } from './progress.ts';
import { TensorBoardFile } from './tensorboard-file.ts';

/** Makes the records of a run; of several processes, in the first. */
export class Metrics implements Disposable {
  readonly #run: Run;
  readonly #hooks: readonly Hook[];
  readonly #file: MetricsFile | undefined;
  readonly #tensorboard: TensorBoardFile | undefined;
  #best: StepReport['best'];

  /** @throws {RetortError} when the file in the run's folder cannot be read or written. */
  constructor(run: Run, done: Done, { hooks, tensorboard }: { hooks: readonly Hook[]; tensorboard: boolean }) {
    this.#run = run;
    this.#hooks = hooks.filter((hook) => hook.afterRecord !== undefined);
    if (run.workDir === undefined) return;
    const say = (text: string): void => run.progress.line(text);
    this.#file = new MetricsFile(run.workDir, done, say);
    if (tensorboard) this.#tensorboard = new TensorBoardFile(run.workDir, done, say);
    if (done.steps === 0) return;
    for (const { metrics, epoch } of readMetrics(run.workDir, { steps: 'last' }).evaluations)
      this.#follow(metrics, epoch);
  }

  /** @param began when the step began, by `performance.now()` */
  step(report: StepReport, done: { steps: number; seconds: number; began: number; rates: Rates; norms: Norms }): void {
    if (this.#file === undefined && this.#hooks.length === 0) return;
    const { steps, seconds, began, rates, norms } = done;
    const { epoch, step, steps: epochSteps, losses, lr, images } = report;
    this.#write({
      ...{ kind: 'step', time: new Date().toISOString(), step: steps, epoch, epochStep: step, epochSteps, losses, lr },
      ...(Object.keys(rates).length > 1 ? { lrs: rates } : {}),
      ...normsOf(norms),
      images,
      imagesPerSecond: short((1000 * images) / (performance.now() - began)),
      memory: memory().bytes,
      seconds: short(seconds),
    });
  }

  evaluation(metrics: NetworkMetrics, { steps, seconds }: { steps: number; seconds: number }): void {
    const epoch = epochsDone(this.#run);
    const time = new Date().toISOString();
    this.#follow(metrics, epoch);
    this.#write({ kind: 'evaluation', time, step: steps, epoch, metrics, seconds: short(seconds) });
  }

  /** The best evaluation so far, by the first metric of what is trained. */
  get best(): StepReport['best'] {
    return this.#best;
  }

  #follow(metrics: NetworkMetrics, epoch: number): void {
    const all = Object.entries(flatMetrics(metrics)).filter(([name]) => !name.startsWith('teacher.'));
    const [metric, value] = all.find(([name]) => this.#best === undefined || name === this.#best.metric) ?? [];
    if (metric === undefined || value === undefined || !Number.isFinite(value)) return;
    const before = this.#best?.value;
    const gained = before === undefined || (lowerIsBetter(metric) ? value < before : value > before);
    if (gained) this.#best = { metric, value, epoch };
  }

  #write(record: MetricsRecord): void {
    this.#file?.write(record);
    this.#tensorboard?.write(record);
    for (const hook of this.#hooks) hook.afterRecord!(this.#run, record);
  }

  /** Shows the images with which training begins. */
  async images(loader: DataLoader<Inputs>): Promise<void> {
    await this.#tensorboard?.images(loader);
  }

  /** Waits until the disk has what was written. */
  sync(): void {
    this.#file?.sync();
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#tensorboard?.[Symbol.dispose]();
  }
}

/** Learning rates by group of parameters. */
type Rates = Readonly<Record<string, number>>;
/** Gradient norms by part, in the order of parts. */
type Norms = Readonly<Record<string, number | undefined>>;

/** The learning rate of every group, by part and number: `0`, `1`, or `architecture`, `generator.1`. */
export function ratesOf(parts: ReadonlyMap<string, OptimizedPart>): Rates {
  const rates: Record<string, number> = {};
  for (const [name, part] of parts) {
    const all = part.rates;
    for (const [i, rate] of all.entries()) {
      rates[name === '' ? String(i) : all.length === 1 ? name : `${name}.${i}`] = rate;
    }
  }
  return rates;
}

function normsOf(norms: Norms): { gradNorm?: number; gradNorms?: Readonly<Record<string, number>> } {
  const known = Object.entries(norms).filter((one): one is [string, number] => one[1] !== undefined);
  if (known.length === 0) return {};
  const all = { gradNorm: Math.hypot(...known.map(([, norm]) => norm)) };
  return Object.keys(norms).length > 1 ? { ...all, gradNorms: Object.fromEntries(known) } : all;
}

/** What a clock says has no more digits. */
const short = (value: number): number => Number(value.toPrecision(6));

// The progress of a training run: one line that renews itself on a terminal, a plain line now and then anywhere else. Where the
// terminal is too narrow for all of it, the parts of the total go first; the total, the rate and the time left go last.
import type { NetworkMetrics } from './hooks/index.ts';
import { showsBlocks, Sparkline } from './sparkline.ts';

/** What one optimizer step was: one or, with `accumulate`, several batches. */
export interface StepReport {
  /** Counted from 1. */
  epoch: number;
  epochs: number;
  /** Optimizer steps, counted from 1, within the epoch. */
  step: number;
  /** Optimizer steps in an epoch. */
  steps: number;
  /** Optimizer steps left in the run. */
  left: number;
  /** Images in this step. */
  images: number;
  /** Means over the batches of the step. */
  losses: Readonly<Record<string, number>>;
  lr: number;
  /** The best evaluation so far, by the first metric of what is trained; from the first evaluation on. */
  best?: { metric: string; value: number; epoch: number } | undefined;
}

/** Is told how training goes. */
export interface Progress {
  /** So wide is what lines are shown on; undefined where lines may be long. */
  readonly columns?: number | undefined;
  step(report: StepReport): void;
  /** A line that stays, such as the result of an epoch. */
  line(text: string): void;
}

/** Options of {@link TerminalProgress}. */
export interface ProgressOptions {
  /** Put before every line. Default none. */
  label?: string;
  /** Default: standard output. */
  stream?: NodeJS.WriteStream;
  /** Seconds between two plain lines where there is no terminal. Default 10. */
  plainEvery?: number;
  /** Plain lines on a terminal too. Default false. */
  plain?: boolean;
}

/** Prints nothing. */
export const silent: Progress = { step() {}, line() {} };

const renewEvery = 0.1; // seconds
const smoothing = 0.95; // of the speed, per step

/**
 * Shows training in a terminal: one line that is redrawn, with losses, their course, speed, the time left and the best metric so far; plain lines where output is not a terminal.
 *
 * @example
 * ```ts
 * const trainer = new Trainer({ algorithm, trainLoader, optimizer, epochs: 3, progress: new TerminalProgress() });
 * ```
 */
export class TerminalProgress implements Progress {
  readonly #label: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #plainEvery: number;
  readonly #plain: boolean;
  #course = new Sparkline();
  #lastShown = -Infinity;
  #lastStep: number | undefined;
  #secondsPerImage: number | undefined;
  #open = false;

  constructor(options: ProgressOptions = {}) {
    this.#label = options.label ?? '';
    this.#stream = options.stream ?? process.stdout;
    this.#plainEvery = options.plainEvery ?? 10;
    this.#plain = options.plain ?? false;
    if (options.stream === undefined) surviveLoss();
  }

  get columns(): number | undefined {
    return this.#stream.isTTY ? this.#stream.columns : undefined;
  }

  step(report: StepReport): void {
    const now = performance.now() / 1000;
    if (this.#lastStep !== undefined) {
      const seconds = (now - this.#lastStep) / report.images;
      const before = this.#secondsPerImage;
      this.#secondsPerImage = before === undefined ? seconds : smoothing * before + (1 - smoothing) * seconds;
    }
    this.#lastStep = now;
    this.#course.add(totalsOf(report.losses)[0].reduce((sum, [, value]) => sum + value, 0));
    const last = report.step === report.steps || report.left === 0;
    if (this.#renews) {
      if (!last && now - this.#lastShown < renewEvery) return;
      this.#stream.write(`\r\x1b[K${this.#text(report, (this.#stream.columns || 80) - 1)}`);
      this.#open = true;
    } else {
      if (!last && now - this.#lastShown < this.#plainEvery) return;
      this.#stream.write(`${this.#text(report, Infinity)}\n`);
    }
    this.#lastShown = now;
  }

  line(text: string): void {
    this.#stream.write(`${this.#open ? '\r\x1b[K' : ''}${this.#prefix()}${text}\n`);
    this.#open = false;
    this.#lastStep = undefined; // what came between two steps does not count as speed
  }

  /** Whether lines can be written over: not in a file or a pipe, nor on a terminal that knows no control sequences. */
  get #renews(): boolean {
    return !this.#plain && this.#stream.isTTY && process.env['TERM'] !== 'dumb';
  }

  /** The course of the loss, where it can be drawn. */
  #drawn(): string[] {
    return this.#renews && this.#course.text !== '' && showsBlocks() ? [this.#course.text] : [];
  }

  #prefix(): string {
    return this.#label === '' ? '' : `${this.#label}  `;
  }

  /** As much of a report as fits, what matters most first. */
  #text(report: StepReport, columns: number): string {
    const { epoch, epochs, step, steps, left, images, losses, lr, best } = report;
    const prefix = this.#prefix();
    const room = columns - widthOf(prefix);
    const [totals, parts] = totalsOf(losses);
    const rate = this.#secondsPerImage === undefined ? undefined : Math.round(1 / this.#secondsPerImage);
    const eta = this.#secondsPerImage === undefined ? undefined : duration(left * images * this.#secondsPerImage);
    const shown = (digits: number) => totals.map(([name, value]) => `${name} ${value.toFixed(digits)}`);
    const pieces = [
      `epoch ${epoch}/${epochs}`,
      `step ${String(step).padStart(String(steps).length)}/${steps}`,
      ...shown(4),
      ...(rate === undefined ? [] : [`${rate} img/s`, `ETA ${eta}`]),
      ...(best === undefined ? [] : [`best ${valueOf(best.metric, best.value)} (epoch ${best.epoch})`]),
      ...this.#drawn(),
      `lr ${lr.toPrecision(2)}`,
      ...parts.map(([name, value]) => `${name} ${value.toFixed(4)}`),
    ];
    const needed = 2 + totals.length + (rate === undefined ? 0 : 2);
    for (let count = pieces.length; count >= needed; count--) {
      const text = pieces.slice(0, count).join('  ');
      if (text.length <= room) return prefix + text;
    }
    // Narrower still: fewer words and digits, then less of where and how fast.
    const where = [`${epoch}/${epochs}`, `${step}/${steps}`];
    const speed = rate === undefined ? [] : [`${rate}/s`, `ETA ${eta}`];
    const total = shown(3);
    const shorter = [
      [...where, ...total, ...speed],
      [where[0]!, ...total, ...speed],
      [...total, ...speed],
      [...total, ...speed.slice(1)],
      total,
    ];
    const fitting = shorter.map((words) => words.join(' ')).find((text) => text.length <= room);
    return fitting === undefined ? total.join(' ').slice(0, Math.max(0, columns)) : prefix + fitting;
  }
}

/** The losses that are differentiated, and what they are made of. */
function totalsOf(losses: StepReport['losses']): [totals: [string, number][], parts: [string, number][]] {
  const all = Object.entries(losses);
  // An algorithm with several updates has a total of each: `generator.loss`, `distill.loss`.
  const total = ([name]: [string, number]): boolean =>
    Object.hasOwn(losses, 'loss') ? name === 'loss' : name.endsWith('.loss');
  return [all.filter(total), all.filter((one) => !total(one))];
}

/** How many columns a text takes, control sequences left out. */
function widthOf(text: string): number {
  // oxlint-disable-next-line no-control-regex -- colors of labels
  return text.replaceAll(/\x1b\[[0-9;]*m/g, '').length;
}

/** `91.20%` of an accuracy, four digits of what is none. @param name of a metric, or its path */
export function valueOf(name: string, value: number): string {
  const isPercent = /(^|\.)(accuracy|agreement|top\d+)$/.test(name);
  return isPercent ? `${value.toFixed(2)}%` : value.toPrecision(4);
}

/** `accuracy: student 91.20%  teacher 92.78%`, then the other metrics. */
export function shownMetrics(metrics: NetworkMetrics): string {
  const names = [...new Set(Object.values(metrics).flatMap((values) => Object.keys(values)))];
  return names
    .map((name) => {
      const values = Object.entries(metrics).filter(([, all]) => all[name] !== undefined);
      const shown = values.map(([network, all]) => {
        const value = valueOf(name, all[name]!);
        return network === name || network === 'agreement' ? value : `${network} ${value}`;
      });
      return `${name}: ${shown.join('  ')}`;
    })
    .join('  ');
}

let survives = false;

/** That nobody reads standard output any more, or its disk is full, must not end training. */
function surviveLoss(): void {
  if (survives) return;
  survives = true;
  process.stdout.on('error', () => undefined);
}

/** `1:05`, `1:02:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(m).padStart(h > 0 ? 2 : 1, '0')}:${String(s).padStart(2, '0')}`;
  return h > 0 ? `${h}:${tail}` : tail;
}

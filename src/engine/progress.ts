// The progress of a training run: one line that renews itself on a terminal, a plain line now and then anywhere else.
export interface StepReport {
  /** Counted from 1. */
  epoch: number;
  epochs: number;
  /** Counted from 1, within the epoch. */
  step: number;
  steps: number;
  /** Images in this step. */
  images: number;
  losses: Readonly<Record<string, number>>;
  lr: number;
}

export interface Progress {
  step(report: StepReport): void;
  /** A line that stays, such as the result of an epoch. */
  line(text: string): void;
}

export interface ProgressOptions {
  /** Put before every line. Default none. */
  label?: string;
  /** Default: standard output. */
  stream?: NodeJS.WriteStream;
  /** Seconds between two plain lines where there is no terminal. Default 10. */
  plainEvery?: number;
}

/** Prints nothing. */
export const silent: Progress = { step() {}, line() {} };

const renewEvery = 0.1; // seconds
const smoothing = 0.95; // of the speed, per step

export class TerminalProgress implements Progress {
  readonly #label: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #plainEvery: number;
  #lastShown = -Infinity;
  #lastStep: number | undefined;
  #secondsPerImage: number | undefined;
  #open = false;

  constructor(options: ProgressOptions = {}) {
    this.#label = options.label ?? '';
    this.#stream = options.stream ?? process.stdout;
    this.#plainEvery = options.plainEvery ?? 10;
  }

  step(report: StepReport): void {
    const now = performance.now() / 1000;
    if (this.#lastStep !== undefined) {
      const seconds = (now - this.#lastStep) / report.images;
      const before = this.#secondsPerImage;
      this.#secondsPerImage = before === undefined ? seconds : smoothing * before + (1 - smoothing) * seconds;
    }
    this.#lastStep = now;
    const last = report.step === report.steps;
    if (this.#stream.isTTY) {
      if (!last && now - this.#lastShown < renewEvery) return;
      const text = this.#text(report);
      this.#stream.write(`\r\x1b[K${text.slice(0, Math.max(20, this.#stream.columns - 1))}`);
      this.#open = true;
    } else {
      if (!last && now - this.#lastShown < this.#plainEvery) return;
      this.#stream.write(`${this.#text(report)}\n`);
    }
    this.#lastShown = now;
  }

  line(text: string): void {
    this.#stream.write(`${this.#open ? '\r\x1b[K' : ''}${this.#prefix()}${text}\n`);
    this.#open = false;
    this.#lastStep = undefined; // what came between two steps does not count as speed
  }

  #prefix(): string {
    return this.#label === '' ? '' : `${this.#label}  `;
  }

  #text(report: StepReport): string {
    const { epoch, epochs, step, steps, images, losses, lr } = report;
    const parts = [`epoch ${epoch}/${epochs}`, `step ${String(step).padStart(String(steps).length)}/${steps}`];
    if (this.#secondsPerImage !== undefined) {
      const left = ((epochs - epoch) * steps + steps - step) * images * this.#secondsPerImage;
      parts.push(`${Math.round(1 / this.#secondsPerImage)} img/s`);
      parts.push(...Object.entries(losses).map(([name, value]) => `${name} ${value.toFixed(4)}`));
      parts.push(`lr ${lr.toPrecision(2)}`, `ETA ${duration(left)}`);
    } else {
      parts.push(...Object.entries(losses).map(([name, value]) => `${name} ${value.toFixed(4)}`));
    }
    return this.#prefix() + parts.join('  ');
  }
}

/** `1:05`, `1:02:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(m).padStart(h > 0 ? 2 : 1, '0')}:${String(s).padStart(2, '0')}`;
  return h > 0 ? `${h}:${tail}` : tail;
}

// A log that programs can read: one JSON object a line in `log.jsonl`, for steps and for evaluations.
import { join } from 'node:path';

import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { appendText, exists, readText } from '../../files.ts';
import { writeFileAtomicSync } from '../../formats/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { memory } from '../../torch/index.ts';
import type { StepReport } from '../progress.ts';
import { runFiles } from '../run-files.ts';
import type { MetricsRecord } from '../metrics-file.ts';
import { epochsDone, flatMetrics } from './hook.ts';
import type { Hook, NetworkMetrics, Run } from './hook.ts';
import { recordSink, RecordSender } from './record-sink.ts';
import type { RecordSink } from './record-sink.ts';

/** Options of {@link LoggerHook}. */
export interface LoggerHookOptions {
  /** Steps between two lines. Default 50; the last step of an epoch, and of training, always has one. */
  interval?: number | undefined;
  /**
   * Takes the same steps and all evaluations as records of `metrics.jsonl`: a function, or `{ url, headers }` of an HTTP endpoint. Default none.
   */
  sink?: RecordSink | undefined;
}

/** The schema of {@link LoggerHookOptions}. */
export const loggerHookOptions = z.strictObject({
  interval: z.number().int().positive().default(50),
  sink: recordSink.optional(),
});

interface Line {
  epoch: number;
  step: number;
}

/**
 * Writes `log.jsonl` into the folder of the run: one JSON object per line, with the losses, the learning rate and the bytes of tensors of a
 * step, or with the metrics of an evaluation. A resumed run removes the lines that it is going to write again. With `sink` the records of
 * `metrics.jsonl` go elsewhere too: a sink that fails is said once and tried again, and never ends training; a resumed run sends what came
 * after its checkpoint a second time, with the same `step`.
 *
 * @example
 * ```ts
 * const hook = new LoggerHook({ interval: 10 });
 * ```
 * @example
 * ```ts
 * const tracker = new LoggerHook({ interval: 10, sink: (record) => console.log(JSON.stringify(record)) });
 * ```
 */
export class LoggerHook implements Hook {
  readonly name = 'LoggerHook';
  readonly #interval: number;
  /** The last line could not be written: what is there of it is to be ended first. */
  #torn = false;
  readonly #sink: RecordSink | undefined;
  #sender: RecordSender | undefined;
  /** Whether the step under way has a line. */
  #due = false;

  constructor(options: LoggerHookOptions = {}) {
    const { interval, sink } = checkOptions(loggerHookOptions, options, 'LoggerHook');
    this.#interval = interval;
    this.#sink = sink;
  }

  /** A resumed run takes the lines back that it is going to write again. */
  beforeRun(run: Run): void {
    const { workDir } = run;
    if (this.#sink !== undefined) {
      this.#sender = new RecordSender(this.#sink, { workDir }, (text) => run.progress.line(text));
    }
    if (workDir === undefined) return;
    const path = join(workDir, runFiles.log);
    if (!exists(path)) return;
    const lines = readText(path)
      .split('\n')
      .filter((line) => isBefore(line, run));
    writeFileAtomicSync(path, Buffer.from(lines.map((line) => `${line}\n`).join('')));
  }

  afterStep(run: Run, report: StepReport): void {
    const { epoch, step, steps, left, lr, losses } = report;
    this.#due = step % this.#interval === 0 || step === steps || left <= 0;
    if (!this.#due) return;
    this.#write(run, { epoch, step, lr, ...losses, memory: memory().bytes });
  }

  afterEvaluate(run: Run, metrics: NetworkMetrics): void {
    this.#write(run, { epoch: epochsDone(run), step: 0, ...flatMetrics(metrics) });
  }

  afterRecord(_run: Run, record: MetricsRecord): void {
    if (record.kind === 'evaluation' || this.#due) this.#sender?.send(record);
  }

  async afterRun(): Promise<void> {
    await this.#sender?.end();
    this.#sender = undefined;
  }

  /** A line that cannot be written is said once and lost: training is not to end for a log. */
  #write({ workDir, progress }: Run, line: object): void {
    if (workDir === undefined) return;
    const text = `${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`;
    try {
      appendText(join(workDir, runFiles.log), this.#torn ? `\n${text}` : text);
      this.#torn = false;
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      if (!this.#torn)
        progress.line(`note: ${error.message.split('\n')[0]}: training goes on, lines of the log are lost`);
      this.#torn = true;
    }
  }
}

/** Whether a line tells of what a run has done and will not do again (epochs in lines of steps count from 1, in those of evaluations they are done). */
function isBefore(text: string, run: Run): boolean {
  try {
    const { position } = run;
    const { epoch, step } = JSON.parse(text) as Line;
    return step === 0
      ? epoch < epochsDone(run) || (epoch === epochsDone(run) && !run.evaluationDue)
      : epoch <= position.epoch || (epoch === position.epoch + 1 && step <= position.step);
  } catch {
    return false; // a line that a crash tore
  }
}

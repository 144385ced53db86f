// A log that programs can read: one JSON object a line in `log.jsonl`, for steps and for evaluations.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import { writeFileAtomicSync } from '../../formats/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { memory } from '../../torch/index.ts';
import type { StepReport } from '../progress.ts';
import { epochsDone, flatMetrics } from './hook.ts';
import type { Hook, NetworkMetrics, Run } from './hook.ts';

export interface LoggerOptions {
  /** Steps between two lines. Default 50; the last step of an epoch, and of training, always has one. */
  interval?: number | undefined;
}

/** The schema of {@link LoggerOptions}. */
export const loggerOptions = z.strictObject({ interval: z.number().int().positive().default(50) });

interface Line {
  epoch: number;
  step: number;
}

export class Logger implements Hook {
  readonly name = 'Logger';
  readonly #interval: number;

  constructor(options: LoggerOptions = {}) {
    this.#interval = checkOptions(loggerOptions, options, 'Logger').interval;
  }

  /** A resumed run takes the lines back that it is going to write again. */
  beforeRun(run: Run): void {
    const { workDir } = run;
    if (workDir === undefined) return;
    const path = join(workDir, 'log.jsonl');
    if (!existsSync(path)) return;
    const lines = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => isBefore(line, run));
    writeFileAtomicSync(path, Buffer.from(lines.map((line) => `${line}\n`).join('')));
  }

  afterStep({ workDir }: Run, report: StepReport): void {
    const { epoch, step, steps, left, lr, losses } = report;
    if (workDir === undefined || (step % this.#interval !== 0 && step !== steps && left > 0)) return;
    write(workDir, { epoch, step, lr, ...losses, memory: memory().bytes });
  }

  afterEvaluate(run: Run, metrics: NetworkMetrics): void {
    if (run.workDir !== undefined) write(run.workDir, { epoch: epochsDone(run), step: 0, ...flatMetrics(metrics) });
  }
}

function write(folder: string, line: object): void {
  appendFileSync(join(folder, 'log.jsonl'), `${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`);
}

/** Whether a line tells of what a run has done (epochs in lines of steps count from 1, in those of evaluations they are done). */
function isBefore(text: string, run: Run): boolean {
  try {
    const { position } = run;
    const { epoch, step } = JSON.parse(text) as Line;
    return step === 0
      ? epoch <= epochsDone(run)
      : epoch <= position.epoch || (epoch === position.epoch + 1 && step <= position.step);
  } catch {
    return false; // a line that a crash tore
  }
}

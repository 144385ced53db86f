// The process of a cell: it is told by the sweep what to train and where, says how far it is, and ends in good order when the sweep is
// gone: the run is saved, and the next call goes on with it.
import { join } from 'node:path';

import type { ExperimentConfig } from '../../config/index.ts';
import type { Progress, StepReport } from '../../engine/index.ts';
import { RetortError } from '../../errors.ts';
import { appendText, makeFolder } from '../../files.ts';
import { thisProcess } from '../../formats/process-identity.ts';
import { load } from '../load.ts';
import { run } from '../run.ts';
import { appendUsage, cellFiles, recordCell } from './cell-folder.ts';
import type { CellMessage, CellTask } from './cell-messages.ts';
import { planAgain, planRuns } from './plan.ts';

const tell = (message: CellMessage): void => {
  if (process.connected) process.send!(message);
};

/** Seconds between two lines of what the process has taken, and between two reports. */
const [usageEvery, reportEvery] = [5, 0.5];

class CellProgress implements Progress {
  readonly #folder: string;
  readonly #name: string;
  #shown = 0;
  #written = performance.now();
  #steps = 0;
  #first: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    const { pid, start = '' } = thisProcess();
    this.#name = `${pid}.${start}`;
  }

  step({ epoch, epochs, left, best }: StepReport): void {
    const now = performance.now();
    this.#first ??= now;
    const perStep = this.#steps === 0 ? undefined : (now - this.#first) / this.#steps / 1000;
    this.#steps++;
    if (now - this.#written > 1000 * usageEvery) this.usage();
    if (now - this.#shown < 1000 * reportEvery && left > 0) return;
    this.#shown = now;
    tell({
      ...{ kind: 'step', epoch, epochs },
      ...(perStep === undefined ? {} : { secondsLeft: left * perStep }),
      ...(best === undefined ? {} : { best: { metric: best.metric, value: best.value } }),
    });
  }

  line(text: string): void {
    appendText(join(this.#folder, cellFiles.output), `${text}\n`);
  }

  usage(): void {
    this.#written = performance.now();
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    const wall = performance.now() / 1000; // since the process started
    appendUsage(this.#folder, this.#name, { cpu: (userCPUTime + systemCPUTime) / 1e6, wall, peak: 1024 * maxRSS });
  }
}

async function train(task: CellTask, signal: AbortSignal): Promise<CellMessage> {
  makeFolder(task.folder);
  const progress = new CellProgress(task.folder);
  try {
    const experiment = await (task.config === undefined
      ? ofSweep(task)
      : load(task.config as unknown as ExperimentConfig, { base: '/' }));
    const { stopped } = await run(experiment, { workDir: task.folder, resume: true, progress, signal });
    if (!stopped) recordCell({ ...task, values: task.about.values }, { finished: true });
    return { kind: 'end', stopped };
  } finally {
    progress.usage();
  }
}

/** The config of a cell that is more than data, from the sweep's file. @throws {RetortError} where that has another one by now. */
async function ofSweep({ about, asked, sweep, options }: CellTask) {
  const found = await planAgain(await planRuns(sweep, options), about);
  if (found.asked === asked) return found.experiment;
  throw new RetortError(`${sweep} has changed while the sweep runs: ${about.name} is asked for otherwise`, {
    code: 'resume-mismatch',
    help: 'start the sweep again',
  });
}

function described(error: unknown): CellMessage {
  const isOurs = error instanceof RetortError;
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'failed', message: isOurs ? message : stack.split('\n').slice(0, 4).join('\n') || message };
}

const stop = new AbortController();
process.on('disconnect', () => stop.abort());
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined); // they may lead to the sweep
process.once('message', (task: CellTask) => {
  void train(task, stop.signal)
    .catch(described)
    .then((message) => {
      if (message.kind === 'failed') process.exitCode = 1;
      if (!process.connected) return process.exit();
      return process.send!(message, () => process.exit());
    });
});

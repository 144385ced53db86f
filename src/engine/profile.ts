// Where the time of training goes: how long each part of the steps took, as a table, and the first steps one by one, as a trace that
// chrome://tracing and Perfetto show. Parts that lie inside another count as that one: so they add up to no more than the whole.
import { join } from 'node:path';

import { z } from 'zod';

import { RetortError } from '../errors.ts';
import { writeFileAtomicSync } from '../formats/index.ts';
import { readJsonAs } from '../registry/index.ts';
import type { SpanRecorder } from '../torch/internal.ts';
import { recordSpans } from '../torch/internal.ts';
import type { Progress } from './progress.ts';
import { runFiles } from './run-files.ts';

/** Something that training spends time on, such as `'student'`, `'losses'` or, inside of these, `'loss_kl'`. */
export interface ProfilePart {
  name: string;
  seconds: number;
  /** How often it was done. */
  calls: number;
  /** What in it has a name of its own. */
  parts: readonly ProfilePart[];
}

/** Where the time of {@link Trainer.run} went. */
export interface ProfileReport {
  /** Optimizer steps. */
  steps: number;
  /** From the first step (or evaluation) to the end, evaluations and checkpoints too. */
  seconds: number;
  /** In the order of a step; `'other'`, what is in no part, last. */
  parts: readonly ProfilePart[];
  /** How many of the steps are in the trace. */
  tracedSteps: number;
}

/** Measures what the loop does; {@link unmeasured} does not. */
export interface Timing {
  /** Something of the loop itself. */
  span<T>(part: string, name: string | undefined, body: () => T): T;
  /** The same, where it has to be waited for. */
  wait<T>(part: string, name: string | undefined, body: () => Promise<T>): Promise<T>;
  /** Computes a batch: the spans in it are told. */
  batch<T>(body: () => T): T;
  beginStep(): void;
  endStep(): void;
}

/** Runs everything as it is. */
export const unmeasured: Timing = {
  span: (_part, _name, body) => body(),
  wait: async (_part, _name, body) => body(),
  batch: (body) => body(),
  beginStep() {},
  endStep() {},
};

/** Steps whose spans are in the trace; afterwards evaluations and checkpoints alone are. */
export const tracedSteps = 100;
/** More are not kept: about 10 MiB on the disk. */
const mostEvents = 100_000;
/** The order of the table; others follow. */
const order = ['data', 'between steps', 'teacher plan', 'generator', 'teacher', 'student', 'connectors', 'losses'];
order.push('backward', 'processes', 'optimizer', 'hooks', 'evaluation', 'saving');

interface Event {
  part: string;
  name: string;
  /** Milliseconds since the profile began. */
  began: number;
  took: number;
}

interface Sum {
  ms: number;
  calls: number;
  readonly names: Map<string, Sum>;
}

/** Takes the time of a run. */
export class Profile implements Timing, SpanRecorder {
  readonly #began = performance.now();
  readonly #sums = new Map<string, Sum>();
  readonly #events: Event[] = [];
  /** The parts that are under way, the outermost first. */
  readonly #open: string[] = [];
  #steps = 0;
  #stepBegan = 0;
  #end: number | undefined;

  span<T>(part: string, name: string | undefined, body: () => T): T {
    const outer = this.#open.at(-1);
    if (outer === part && name === undefined) return body();
    const depth = this.#open.push(part);
    const began = performance.now();
    try {
      return body();
    } finally {
      this.#open.length = depth - 1;
      this.#add({ part, name, began, took: performance.now() - began });
    }
  }

  async wait<T>(part: string, name: string | undefined, body: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await body();
    } finally {
      this.#add({ part, name, began, took: performance.now() - began });
    }
  }

  batch<T>(body: () => T): T {
    return recordSpans(this, body);
  }

  beginStep(): void {
    this.#stepBegan = performance.now();
  }

  endStep(): void {
    const began = this.#stepBegan;
    const took = performance.now() - began;
    if (this.#tracing) this.#keep({ part: 'step', name: `step ${this.#steps + 1}`, began, took });
    this.#steps++;
  }

  /** No more time passes. */
  end(): void {
    this.#end ??= performance.now();
  }

  get #tracing(): boolean {
    return this.#steps < tracedSteps;
  }

  #add(given: Omit<Event, 'name'> & { name: string | undefined }): void {
    const { part, name, took } = given;
    if (this.#open.every((outer) => outer === part)) {
      const sum = sumIn(this.#sums, part);
      if (this.#open.length === 0) add(sum, took);
      if (name !== undefined) add(sumIn(sum.names, name), took);
    }
    if (this.#tracing || part === 'evaluation' || part === 'saving') this.#keep({ ...given, name: name ?? part });
  }

  #keep(event: Event): void {
    if (this.#events.length < mostEvents) this.#events.push({ ...event, began: event.began - this.#began });
  }

  report(): ProfileReport {
    const ms = (this.#end ?? performance.now()) - this.#began;
    const place = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
    const parts = partsOf(this.#sums).toSorted((a, b) => place(a.name) - place(b.name));
    const rest = ms / 1000 - parts.reduce((sum, { seconds }) => sum + seconds, 0);
    return {
      steps: this.#steps,
      seconds: ms / 1000,
      parts: [...parts, { name: 'other', seconds: Math.max(0, rest), calls: this.#steps, parts: [] }],
      tracedSteps: Math.min(this.#steps, tracedSteps),
    };
  }

  /** The trace, as JSON in the format of Chrome's. */
  trace(): string {
    const at = { pid: process.pid, tid: 1 };
    const named = (name: string, value: string): string =>
      JSON.stringify({ name, ph: 'M', ...at, args: { name: value } });
    const micro = (ms: number): number => Number((1000 * ms).toFixed(1));
    const events = this.#events
      .toSorted((a, b) => a.began - b.began || b.took - a.took)
      .map(({ part, name, began, took }) =>
        JSON.stringify({ name, cat: part, ph: 'X', ts: micro(began), dur: micro(took), ...at }),
      );
    const lines = [named('process_name', 'retort'), named('thread_name', 'training'), ...events];
    const { steps, seconds, tracedSteps: traced } = this.report();
    const about = JSON.stringify({ steps, seconds, tracedSteps: traced });
    return `{"displayTimeUnit":"ms","otherData":${about},"traceEvents":[\n${lines.join(',\n')}\n]}\n`;
  }
}

function sumIn(sums: Map<string, Sum>, name: string): Sum {
  const found = sums.get(name) ?? { ms: 0, calls: 0, names: new Map<string, Sum>() };
  sums.set(name, found);
  return found;
}

function add(sum: Sum, ms: number): void {
  sum.ms += ms;
  sum.calls++;
}

function partsOf(sums: ReadonlyMap<string, Sum>): ProfilePart[] {
  return [...sums].map(([name, { ms, calls, names }]) => ({ name, seconds: ms / 1000, calls, parts: partsOf(names) }));
}

/**
 * A report as a table: seconds, shares of the whole, milliseconds a step, calls.
 * @param columns so wide at most: what says least is left out
 */
export function profileTable({ steps, seconds, parts }: ProfileReport, columns = Infinity): string {
  const row = (name: string, part: { seconds: number; calls: number }): string[] => [
    name,
    part.seconds.toFixed(2),
    `${((100 * part.seconds) / Math.max(seconds, 1e-9)).toFixed(1)}%`,
    ((1000 * part.seconds) / Math.max(steps, 1)).toFixed(2),
    String(part.calls),
  ];
  // A part that is asked each step and has nothing to do says nothing.
  const shown = (part: ProfilePart): boolean => part.parts.length > 0 || part.seconds >= seconds / 2000;
  const rows = [
    ['', 'seconds', 'share', 'ms a step', 'calls'],
    ...parts
      .filter(shown)
      .flatMap((part) => [
        row(part.name, part),
        ...part.parts.filter(({ name }) => name !== part.name).map((inner) => row(`  ${inner.name}`, inner)),
      ]),
    row('all', { seconds, calls: steps }),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)));
  const pad = (cell: string, i: number): string => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!));
  const drawn = (kept: readonly number[]): string =>
    rows.map((cells) => `  ${kept.map((i) => pad(cells[i]!, i)).join('  ')}`.trimEnd()).join('\n');
  const layouts = [
    [0, 1, 2, 3, 4],
    [0, 1, 2, 3],
    [0, 2, 3],
    [0, 2],
  ].map(drawn);
  return layouts.find((text) => text.indexOf('\n') <= columns) ?? layouts.at(-1)!;
}

const traceSchema = z.object({
  otherData: z.object({ tracedSteps: z.number() }),
  traceEvents: z.array(
    z.object({ name: z.string(), cat: z.string().optional(), ph: z.string(), dur: z.number().optional() }),
  ),
});

/** A trace that {@link Profile} wrote; `dur` in microseconds. @throws {RetortError} for a file that is none. */
export function readTrace(path: string): { steps: number; events: z.output<typeof traceSchema>['traceEvents'] } {
  const { otherData, traceEvents } = readJsonAs(traceSchema, path, {
    kind: 'a profile of training',
    help: 'retort train --profile writes one',
  });
  return { steps: otherData.tracedSteps, events: traceEvents };
}

/** Says where the time went, and writes the trace into a run's folder. What cannot be written is said, and no matter. */
export function saveProfile(
  profile: Profile,
  { progress, workDir }: { progress: Progress; workDir: string | undefined },
): void {
  profile.end();
  const report = profile.report();
  progress.line(`where the time of ${report.steps} steps went:\n${profileTable(report, progress.columns)}`);
  if (workDir === undefined) return;
  const path = join(workDir, runFiles.profile);
  try {
    writeFileAtomicSync(path, Buffer.from(profile.trace()));
    progress.line(`the first ${report.tracedSteps} steps one by one: ${path}, for chrome://tracing or ui.perfetto.dev`);
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    progress.line(`note: ${error.message.split('\n')[0]}: the profile is not written`);
  }
}

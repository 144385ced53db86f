// How many threads an operator uses while other programs compute on the same cores. Threads of one operator wait for each other: one that
// gets half a core halves the speed of all, and those that wait for it spin. So between two steps a run looks what others use, and goes
// on with as many threads as cores are left.
import { availableParallelism } from 'node:os';

import { readText } from '../files.ts';
import { lendThreads, threadsGiven } from '../torch/internal.ts';
import type { ProcessGroup } from '../torch/index.ts';

/** What the cores that this process may run on have done so far. */
export interface CoreUse {
  /** When this was read, in seconds. */
  at: number;
  /** Seconds of work of all programs, on all of these cores together. */
  busy: number;
  /** Seconds of work of this process. */
  own: number;
  /** How many cores these are. */
  cores: number;
}

/** What is known of the cores. */
export interface CoreView {
  /** How many threads are to be used. */
  threads: number;
  /** How many cores others use, smoothed over about a second. */
  others: number;
  use: CoreUse;
}

/** Seconds between two looks. */
const interval = 0.25;
/** Over how many seconds what others use is smoothed. */
const memory = 1;
/** A thread is given up when others use so much of its core, and taken back when they use no more than that: between, nothing changes. */
const givenUpAt = 0.35;
const takenBackAt = 0.2;
/** Threads are taken back when that gives so many times as many, or all: kernels are made anew for each number. */
const worthIt = 1.125;

/**
 * What follows from a new reading.
 * @param most threads while nobody else computes
 */
export function viewAfter(before: CoreView, use: CoreUse, most: number): CoreView {
  const seconds = use.at - before.use.at;
  if (seconds <= 0) return before;
  const done = use.busy - before.use.busy - (use.own - before.use.own);
  const now = Math.min(use.cores, Math.max(0, done / seconds));
  const others = now + (before.others - now) * Math.exp(-seconds / memory);
  const threadsWhere = (othersPart: number): number =>
    Math.min(most, Math.max(1, Math.floor(use.cores - others + othersPart)));
  const [upTo, from] = [threadsWhere(givenUpAt), threadsWhere(takenBackAt)];
  let { threads } = before;
  if (threads > upTo) threads = upTo;
  else if (from === most || from >= worthIt * threads) threads = Math.max(threads, from);
  return { threads, others, use };
}

/** The processors of a list as Linux writes it: `0-1,4`. */
export function processorsOf(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

/**
 * What /proc/stat says of some processors: how many of them there are, and seconds of work. Time that the host of a virtual machine
 * took (`steal`) is nobody's here; that of guests is part of `user`.
 */
export function workOf(stat: string, processors: ReadonlySet<number>): { cores: number; busy: number } {
  let [cores, ticks] = [0, 0];
  for (const [, name, columns] of stat.matchAll(/^cpu(\d+) (.*)$/gm)) {
    if (!processors.has(Number(name))) continue;
    const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0] = columns!.split(' ').map(Number);
    ticks += user + nice + system + interrupts + softInterrupts;
    cores++;
  }
  return { cores, busy: ticks / 100 }; // Linux shows hundredths of a second, whatever the kernel counts in
}

/** Reads what the cores do; undefined where the system does not tell. */
function coresOfMachine(): (() => CoreUse) | undefined {
  const read = (processors: ReadonlySet<number>): CoreUse => {
    const { user, system } = process.cpuUsage();
    const at = performance.now() / 1000;
    return { at, own: (user + system) / 1e6, ...workOf(readText('/proc/stat'), processors) };
  };
  try {
    const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(readText('/proc/self/status'))?.[1];
    if (list === undefined) return undefined;
    const processors = new Set(processorsOf(list));
    return read(processors).cores > 0 ? () => read(processors) : undefined;
  } catch {
    return undefined; // not Linux
  }
}

/** What a {@link CoreShare} goes by. */
export interface CoreShareOptions {
  /** Reads what the cores do. */
  read: () => CoreUse;
  /** Puts another number of threads in use; whether it may. */
  use: (threads: number) => boolean;
  /** Threads while nobody else computes. */
  most: number;
  /** Is told once, in a line, that threads are given up. */
  say?: ((text: string) => void) | undefined;
}

/** Keeps the number of threads to the cores that others leave. At its end all threads are in use again. */
export class CoreShare implements Disposable {
  readonly #options: CoreShareOptions;
  #view: CoreView;
  #said = false;

  constructor(options: CoreShareOptions) {
    this.#options = options;
    this.#view = { threads: options.most, others: 0, use: options.read() };
  }

  /**
   * The share of a loop that runs in this process; undefined where the number of threads is not to be changed: the user has said how
   * many there are to be, several processes compute together, or the system does not tell what others do.
   */
  static ofMachine(group: ProcessGroup | undefined, say?: (text: string) => void): CoreShare | undefined {
    const most = availableParallelism();
    if (most === 1 || threadsGiven() || (group !== undefined && group.worldSize > 1)) return undefined;
    const read = coresOfMachine();
    return read === undefined ? undefined : new CoreShare({ read, use: lendThreads, most, say });
  }

  /** To be called between two steps, never within one: another number of threads may change the last bits of a sum. */
  betweenSteps(now = performance.now() / 1000): void {
    const before = this.#view;
    if (now - before.use.at < interval) return;
    const { read, use, most, say } = this.#options;
    const view = viewAfter(before, read(), most);
    const changed = view.threads !== before.threads;
    if (changed && !use(view.threads)) view.threads = before.threads;
    this.#view = view;
    if (this.#said || view.threads >= before.threads) return;
    this.#said = true;
    const { others, threads } = view;
    say?.(
      `note: other programs use ${others.toFixed(1)} of ${view.use.cores} cores: going on with ` +
        `${threads} ${threads === 1 ? 'thread' : 'threads'} while they do (RETORT_THREADS=${most} keeps all)`,
    );
  }

  [Symbol.dispose](): void {
    const { most, use } = this.#options;
    if (this.#view.threads !== most) use(most);
  }
}

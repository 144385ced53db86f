// Runs a fuzzer in processes of its own. One that dies or stands still is a fault like one that is thrown: the case is tried
// again alone, made smaller while it still shows the same, and printed as lines to paste.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Job, Now, Seen } from './child.ts';
import type { Fuzzer } from './fuzzer.ts';

export interface FuzzOptions {
  /** The name of a file in this folder. */
  fuzzer: string;
  seed: string;
  /** Cases in all, divided among the parts. Default: what the fuzzer says. */
  calls?: number | undefined;
  /** Parts whose name contains this only. */
  only?: string | undefined;
  /** Whether cases with a fault are made smaller, which takes a process for each step. Default true. */
  smaller?: boolean;
  /** Seconds of a processor after which a case stands still. Default 5. */
  patience?: number;
  /** Called with progress, a line each time. */
  log?: (line: string) => void;
}

export interface Found {
  part: string;
  /** `SIGSEGV`, `stands still` (such a case is not made smaller), or what a {@link Fault} says. */
  kind: string;
  message: string;
  /** Lines to paste. */
  source: string;
  /** Whether the case shows it alone, in a fresh process. */
  alone: boolean;
}

export interface Report {
  taken: number;
  refused: number;
  found: Found[];
}

/** A case that does nothing for as many seconds stands still as well. */
const longestWait = 120;
const standsStill = 'stands still';
/** Writable memory of a process, in KiB: what wants gigabytes fails instead of filling the machine. Sanitizers reserve terabytes. */
const mostMemory = process.env['ASAN_OPTIONS'] === undefined ? 1.75 * 2 ** 20 : 'unlimited';
/** Seconds of a processor that a process may use in all: one whose driver was killed ends by itself. */
const mostSeconds = 1800;
/** Deaths of one part beyond this many are not looked for. */
const enough = 2;

/** Tries the cases and reports what was found, each kind of each part once. */
export async function fuzz(options: FuzzOptions): Promise<Report> {
  const { default: fuzzer } = (await import(new URL(`${options.fuzzer}.ts`, import.meta.url).href)) as {
    default: Fuzzer;
  };
  return new Driver(fuzzer, options).run();
}

interface End {
  taken: number;
  refused: number;
  seen: Seen[];
  /** What was tried when the process died. */
  death: Seen | undefined;
}

class Driver {
  readonly #fuzzer: Fuzzer;
  readonly #options: FuzzOptions;

  constructor(fuzzer: Fuzzer, options: FuzzOptions) {
    this.#fuzzer = fuzzer;
    this.#options = options;
  }

  async run(): Promise<Report> {
    const { fuzzer, seed, calls = this.#fuzzer.calls, only, log = () => {} } = this.#options;
    const all = this.#fuzzer.parts?.() ?? Array.from({ length: 10 }, (_, i) => `part ${i}`);
    const chosen = only === undefined ? all : all.filter((part) => part.includes(only));
    const each = Math.ceil(calls / Math.max(1, chosen.length));
    let left = chosen.map((name) => ({ name, from: 0, calls: each }));
    const report: Report = { taken: 0, refused: 0, found: [] };
    const known = new Set<string>();
    const deaths = new Map<string, number>();
    while (left.length > 0) {
      const { taken, refused, seen, death } = await this.#process({ fuzzer, seed, parts: left });
      report.taken += taken;
      report.refused += refused;
      for (const one of death === undefined ? seen : [...seen, death]) {
        const key = `${one.part}: ${one.kind}`;
        if (known.has(key)) continue;
        known.add(key);
        const found = await this.#smallest(one);
        report.found.push(found);
        log(`${key}${found.alone ? '' : ' (not when tried alone)'}\n${found.message}\n${found.source}\n`);
      }
      if (death === undefined) break;
      const died = (deaths.get(death.part) ?? 0) + 1;
      deaths.set(death.part, died);
      left = left.slice(left.findIndex((one) => one.name === death.part));
      if (died >= enough) left = left.slice(1);
      else left[0]!.from = death.index + 1;
    }
    return report;
  }

  /** The case, made smaller for as long as the same kind of fault shows. */
  async #smallest(first: Seen): Promise<Found> {
    const { fuzzer, smaller = true } = this.#options;
    const { seen, death } = await this.#process({ fuzzer, tried: [first.tried] });
    const alone = (death ?? seen[0])?.kind === first.kind;
    let best = first;
    if (alone && smaller) {
      if (death === undefined) {
        // Thrown ones are made smaller in one process; the last line of its faults is the smallest case.
        const { seen } = await this.#process({ fuzzer, large: first.tried, kind: first.kind });
        best = seen.at(-1) ?? first;
      } else if (death.kind !== standsStill) best = await this.#smallestDeath(death);
    }
    const { kind, message, tried } = best;
    return { part: first.part, kind, message, source: this.#fuzzer.source(tried), alone };
  }

  /** A case that ends its process, made smaller: each smaller one takes a process, so only so many are tried. */
  async #smallestDeath(first: Seen): Promise<Seen> {
    const { fuzzer } = this.#options;
    let best = first;
    for (let round = 0; round < 30; round++) {
      let candidates = [...this.#fuzzer.simpler(best.tried)];
      let better: Seen | undefined;
      while (candidates.length > 0 && better === undefined) {
        const { seen, death } = await this.#process({ fuzzer, tried: candidates });
        const last = death ?? seen[0];
        if (last === undefined) break;
        if (death?.kind === best.kind) better = death;
        else candidates = candidates.slice(last.index + 1); // something else was wrong with that one
      }
      if (better === undefined) break;
      best = better;
    }
    return best;
  }

  /** Does a job in a process. */
  async #process(job: Job): Promise<End> {
    const folder = mkdtempSync(join(tmpdir(), 'retort-fuzz-'));
    try {
      writeFileSync(join(folder, 'job'), JSON.stringify(job));
      const { status, said } = await untilItEnds(folder, this.#options.patience ?? 5);
      const text = (file: string): string =>
        existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : '';
      const seen = text('faults')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Seen);
      const line = text('now').split('\n')[0]!;
      if (line === '') throw new Error(`the process ended before its first case (${status ?? 'well'}):\n${said}`);
      const { counts, ...now } = JSON.parse(line) as Now;
      const death = status === undefined ? undefined : { ...now, kind: status, message: said.slice(0, 2000) };
      return { ...counts, seen, death };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** How the process of a job ended: undefined when all went well. @param patience in seconds of a processor */
async function untilItEnds(folder: string, patience: number): Promise<{ status: string | undefined; said: string }> {
  const program = fileURLToPath(new URL('child.ts', import.meta.url));
  const node = ['--expose-gc', '--import', import.meta.resolve('tsx'), program, folder];
  const limits = `ulimit -c 0; ulimit -t ${mostSeconds}; ulimit -d ${mostMemory}; exec "$0" "$@"`;
  const one = { RETORT_THREADS: '1', OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
  const env = { ...process.env, ...one, GLOG_minloglevel: '3' };
  const child = spawn('sh', ['-c', limits, process.execPath, ...node], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data: Buffer) => (said = `${said}${data.toString()}`.slice(-20_000)));
  let still = false;
  let last = '';
  let since = { computed: 0, at: Date.now() };
  const watch = setInterval(() => {
    const now = join(folder, 'now');
    const text = existsSync(now) && statSync(now).size > 0 ? readFileSync(now, 'utf8') : '';
    const computed = secondsOf(child.pid);
    if (text !== last) [last, since] = [text, { computed, at: Date.now() }];
    // What comes before the first case, such as loading libtorch, takes its time.
    const most = text === '' ? longestWait : patience;
    still ||= computed - since.computed > most || Date.now() - since.at > longestWait * 1000;
    if (still) child.kill('SIGKILL');
  }, 100);
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (...end) => resolve(end)),
  );
  clearInterval(watch);
  process.off('exit', end);
  if (code === 0) return { status: undefined, said };
  return { status: still ? standsStill : (signal ?? `exit code ${code}`), said };
}

/** Seconds of a processor that a process has used; Linux counts them in hundredths. */
function secondsOf(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0; // it has just ended
  }
}

// The process in which cases run. A job comes as a file; before each case its text is written to another one, so that whoever
// started the process knows what it was doing when it died. Faults are appended to a third.
import { appendFileSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import type { Fuzzer, Outcome } from './fuzzer.ts';
import { Fault, Random } from './fuzzer.ts';

/** Cases of parts to be made here; a list of cases, which ends at the first fault; or a case with a fault to be made smaller. */
export type Job =
  | { fuzzer: string; seed: string; parts: { name: string; from: number; calls: number }[] }
  | { fuzzer: string; tried: unknown[] }
  | { fuzzer: string; large: unknown; kind: string };

/** A line of `faults`. */
export interface Seen {
  index: number;
  part: string;
  kind: string;
  message: string;
  tried: unknown;
}

/** The line in `now`: what is being tried, and how those before it ended. */
export interface Now {
  part: string;
  index: number;
  tried: unknown;
  counts: Readonly<Record<Outcome, number>>;
}

/** Faults of one part beyond this many are not looked for. */
const enough = 3;

async function run(folder: string): Promise<void> {
  const job = JSON.parse(readFileSync(join(folder, 'job'), 'utf8')) as Job;
  const { default: fuzzer } = (await import(new URL(`${job.fuzzer}.ts`, import.meta.url).href)) as { default: Fuzzer };
  const now = openSync(join(folder, 'now'), 'w');
  const counts = { taken: 0, refused: 0 };

  const attempt = async (part: string, index: number, tried: unknown): Promise<Outcome | Seen> => {
    writeSync(now, `${JSON.stringify({ part, index, tried, counts } satisfies Now)}\n`, 0);
    try {
      const outcome = await fuzzer.attempt(tried);
      counts[outcome]++;
      return outcome;
    } catch (error) {
      const kind = error instanceof Fault ? error.kind : `a raw ${(error as Error | undefined)?.name ?? typeof error}`;
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { index, part, kind, message, tried };
    }
  };
  const report = (seen: Seen): void => appendFileSync(join(folder, 'faults'), `${JSON.stringify(seen)}\n`);

  if ('large' in job) {
    // The last line is the smallest; where a smaller case ends the process, those before it count.
    let best = job.large;
    for (let smaller = true; smaller;) {
      smaller = false;
      for (const tried of fuzzer.simpler(best)) {
        const outcome = await attempt('', 0, tried);
        if (typeof outcome === 'string' || outcome.kind !== job.kind) continue;
        report(outcome);
        [best, smaller] = [tried, true];
        break;
      }
    }
  } else if ('tried' in job) {
    for (const [index, tried] of job.tried.entries()) {
      const outcome = await attempt('', index, tried);
      if (typeof outcome === 'string') continue;
      report(outcome);
      break;
    }
  } else {
    for (const { name, from, calls } of job.parts) {
      const cases = fuzzer.cases(new Random(`${job.seed}/${name}/${from}`), name);
      let next = cases.next();
      let faults = 0;
      for (let index = from; index < calls && next.done !== true && faults < enough; index++) {
        const outcome = await attempt(name, index, next.value);
        if (typeof outcome !== 'string') {
          faults++;
          report(outcome);
        }
        next = cases.next(typeof outcome === 'string' ? outcome : 'refused');
      }
    }
  }
  writeSync(now, `${JSON.stringify({ part: '', index: 0, tried: null, counts } satisfies Now)}\n`, 0);
}

await run(process.argv[2]!);

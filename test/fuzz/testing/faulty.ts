// A fuzzer whose cases misbehave on purpose, from 7 upwards: for the test of the driver.
import type { Fuzzer, Outcome, Random } from '../fuzzer.ts';
import { Fault } from '../fuzzer.ts';

interface Case {
  part: string;
  value: number;
}

function* cases(random: Random, part: string): Generator<Case, void, Outcome> {
  for (;;) yield { part, value: random.int(0, 12) };
}

const misbehave: Readonly<Record<string, () => never>> = {
  aborts: () => process.abort(),
  faults: () => {
    throw new Fault('odd one out', 'seven and more');
  },
  stands: () => {
    for (;;);
  },
};

const fuzzer: Fuzzer<Case> = {
  summary: 'cases that misbehave on purpose',
  calls: 400,
  parts: () => ['well', ...Object.keys(misbehave)],
  cases,
  attempt: ({ part, value }) => (value < 7 ? 'taken' : (misbehave[part]?.() ?? 'refused')),
  *simpler({ part, value }) {
    for (let smaller = 0; smaller < value; smaller++) yield { part, value: smaller };
  },
  source: ({ value }) => `value ${value}`,
};
export default fuzzer;

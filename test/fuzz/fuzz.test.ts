// The short form of the fuzzers: some thousand cases of each with a fixed seed. `npm run fuzz` is the long one. That the driver
// sees crashes, faults and what stands still, and makes cases smaller, is shown by a fuzzer that does all of that on purpose.
import { expect, it } from 'vitest';

import { fuzz } from './driver.ts';

const short = { formats: 2400, operators: 1700, sequences: 400 } as const;

it.each(Object.entries(short))('%s: nothing that must not happen', { timeout: 300_000 }, async (fuzzer, calls) => {
  const { taken, refused, found } = await fuzz({ fuzzer, calls, seed: 'short', smaller: false });
  expect(found.map(({ part, kind, message, source }) => [part, kind, message, source].join('\n'))).toEqual([]);
  expect(taken).toBeGreaterThan(calls / 10);
  expect(refused).toBeGreaterThan(calls / 10);
});

it('finds what ends a process, stands still or throws, and the smallest case', { timeout: 300_000 }, async () => {
  const { found, taken } = await fuzz({ fuzzer: 'testing/faulty', calls: 100, seed: '1', patience: 0.3 });
  const seen = Object.fromEntries(found.map(({ part, kind, source, alone }) => [part, { kind, source, alone }]));
  expect(seen).toEqual({
    aborts: { kind: 'SIGABRT', source: 'value 7', alone: true },
    faults: { kind: 'odd one out', source: 'value 7', alone: true },
    stands: { kind: 'stands still', source: expect.stringMatching(/^value \d+$/) as string, alone: true },
  });
  expect(taken).toBeGreaterThan(10);
});

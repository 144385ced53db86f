// Timings are kept by machine and subject, and found again; a cache that is broken or not there is none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { keepTimings, knownTimings } from './machine.ts';

let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'retort-machine-'))));
afterEach(() => rmSync(home, { recursive: true }));

it('keeps timings, and finds them again', () => {
  const env = { XDG_CACHE_HOME: home };
  expect(knownTimings('a', env)).toBeUndefined();
  keepTimings('a', { float32: 2 }, env);
  keepTimings('b', { float32: 3 }, env);
  keepTimings('a', { float32: 4 }, env);
  expect([knownTimings('a', env), knownTimings('b', env)]).toEqual([{ float32: 4 }, { float32: 3 }]);
});

it('takes what is none of ours for nothing, and writes over it', () => {
  const env = { XDG_CACHE_HOME: home };
  keepTimings('a', { float32: 2 }, env);
  for (const text of ['', '[1]', '{"a"', '{}']) {
    writeFileSync(join(home, 'retort-kd/timings.json'), text);
    expect(knownTimings('a', env)).toBeUndefined();
  }
  keepTimings('a', { float32: 5 }, env);
  expect(knownTimings('a', env)).toEqual({ float32: 5 });
});

it('does without a cache', () => {
  writeFileSync(join(home, 'file'), '');
  const env = { XDG_CACHE_HOME: join(home, 'file') };
  keepTimings('a', { float32: 2 }, env);
  expect(knownTimings('a', env)).toBeUndefined();
});

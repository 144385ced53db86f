// Which libtorch the setup and the doctor take: the supported range, what lies below it, what lies above.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-libtorch-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** A folder that says it is a libtorch of some version. */
function pretend(version: string): string {
  const prefix = join(folder, version);
  for (const name of ['include/ATen', 'lib']) mkdirSync(join(prefix, name), { recursive: true });
  for (const name of ['include/ATen/ATen.h', 'lib/libtorch_cpu.so']) writeFileSync(join(prefix, name), '');
  writeFileSync(join(prefix, 'build-version'), `${version}\n`);
  return prefix;
}

function tool(name: string, args: readonly string[], libtorch: string): { code: number | null; text: string } {
  const file = fileURLToPath(new URL(`../tools/${name}.mjs`, import.meta.url));
  const env = { ...process.env, RETORT_LIBTORCH: libtorch, RETORT_ADDON: '' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', env });
  return { code: status, text: `${stdout}${stderr}` };
}

interface Finding {
  name: string;
  state: string;
  value: string;
  fix?: string;
}

function examined(version: string): Finding {
  const { findings } = JSON.parse(tool('doctor', ['--json'], pretend(version)).text) as { findings: Finding[] };
  return findings.find(({ name }) => name === 'libtorch')!;
}

describe('the doctor', () => {
  it.each(['1.13.0', '2.6.0', '2.15.1+cu132'])('takes %s', (version) => {
    expect(examined(version).state).toBe('ok');
  });

  it.each(['1.12.1', '0.4', '1.2.0'])('refuses %s, and says what is needed', (version) => {
    const { state, value, fix } = examined(version);
    expect(state).toBe('missing');
    expect(value).toContain(`libtorch ${version}`);
    expect(value).toContain('1.13 or newer');
    expect(fix).toMatch(/1\.13 to \d+\.\d+/);
  });

  it.each(['2.99.0', '3.0.0'])('notes that %s is newer than what was tested', (version) => {
    const { state, value, fix } = examined(version);
    expect(state).toBe('note');
    expect(value).toContain(`libtorch ${version} is newer than`);
    expect(fix).toContain('RETORT_LIBTORCH');
  });
});

it('the setup refuses one that is too old before it does anything', () => {
  const { code, text } = tool('setup', ['--for', 'use', '--dry-run'], pretend('1.12.1'));
  expect(code).toBe(1);
  expect(text).toContain('libtorch 1.12.1');
  expect(text).toContain('1.13 or newer');
});

// Runs the addon under AddressSanitizer and UndefinedBehaviorSanitizer: every access outside of memory that is there, every use
// of what was freed, every undefined operation of native/ ends the program with the place where it happened.
//   npm run prove:native                     all of it, and the fuzzers of test/fuzz
//   npm run prove:native -- scope dispatch   only the tests of src/torch whose name contains one of these
//
// The addon is built into build/sanitized, with malloc under its tensors, because an overflow into a neighbour in a block of ours
// would go unseen. libtorch itself is not instrumented: of its kernels only what they hand to memcpy and the like is seen.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { buildNative, sanitizerEnvironment } from './build-native.mjs';
import { buildDir, root } from './paths.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @typedef {{ name: string, command: string[], env?: NodeJS.ProcessEnv }} Step */

/**
 * The tests of src/torch whose name contains one of these.
 * @param {string[]} names
 */
function testsNamed(names) {
  const tests = readdirSync(join(root, 'src/torch')).filter((file) => file.endsWith('.test.ts'));
  const found = tests.filter((file) => names.some((name) => file.includes(name)));
  if (found.length === 0) throw new ToolError(`no test of src/torch is called ${names.join(', ')}`, tests.join(', '));
  return found.map((file) => `src/torch/${file}`);
}

/**
 * @param {string[]} only
 * @returns {Step[]}
 */
function steps(only) {
  const vitest = join(root, 'node_modules/.bin/vitest');
  // The tests of the allocator look at what our blocks keep; those of memory outside of scopes at how soon V8 collects.
  const ofBlocks = 'src/torch/memory.test.ts';
  const run = ['run', '--reporter=dot', '--testTimeout=300000', '--hookTimeout=300000'];
  /** @type {Step[]} */
  const list = [
    {
      name: 'tests of src/torch, tensors from malloc',
      command: [vitest, ...run, `--exclude=${ofBlocks}`, ...(only.length > 0 ? testsNamed(only) : ['src/torch'])],
    },
  ];
  if (only.length > 0) return list;
  list.push({
    name: 'tests of the allocator, with its own blocks',
    command: [vitest, ...run, ofBlocks],
    env: { RETORT_ALLOCATOR: 'small,large,huge' },
  });
  const node = [process.execPath, '--expose-gc', '--import', 'tsx'];
  list.push({ name: 'fuzzers', command: [...node, 'test/fuzz/main.ts', '--calls', '3000'] });
  return list;
}

runTool('prove-native', () => {
  const out = join(buildDir, 'sanitized');
  buildNative({ out, sanitize: true });
  const env = {
    ...process.env,
    ...sanitizerEnvironment(),
    RETORT_ADDON: join(out, 'retort.node'),
    RETORT_THREADS: process.env['RETORT_THREADS'] ?? String(Math.max(1, Math.floor(availableParallelism() / 2))),
  };
  /** @type {string[]} */
  const failed = [];
  const all = steps(process.argv.slice(2));
  for (const { name, command, env: extra } of all) {
    console.log(`\n${name}: ${command.join(' ').replaceAll(`${root}/`, '')}`);
    const [program = '', ...args] = command;
    const { status, signal } = spawnSync(program, args, { cwd: root, env: { ...env, ...extra }, stdio: 'inherit' });
    if (status !== 0) failed.push(`${name} (${signal ?? `exit code ${status}`})`);
  }
  console.log(
    failed.length === 0
      ? `\nprove-native: ${all.length} of ${all.length} runs clean under AddressSanitizer and UBSan`
      : `\nprove-native: FAILED: ${failed.join('; ')}`,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
});

// Runs every check of the repository: lint, format, types, unused code, then the tests. Prints failures in detail and, as the
// last line, `N passed, N failed`; each check counts as one test.
//   node tools/check.mjs            everything
//   node tools/check.mjs PATH ...   only the tests whose file name contains PATH; other options go to vitest as they are

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { root } from './paths.mjs';
import { capture, commandLine } from './processes.mjs';
import { readJson } from './stamps.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @type {{ name: string, command: string[], fix: string }[]} */
const checks = [
  { name: 'lint', command: ['oxlint'], fix: 'npm run lint -- --fix mends what can be mended by itself' },
  { name: 'format', command: ['oxfmt', '--check'], fix: 'npm run format' },
  { name: 'types', command: ['tsc', '--noEmit'], fix: 'npx tsc --noEmit' },
  { name: 'types of the tools', command: ['tsc', '-p', 'tools'], fix: 'npx tsc -p tools' },
  { name: 'types of the page', command: ['tsc', '-p', 'web'], fix: 'npx tsc -p web' },
  { name: 'types of the dashboard', command: ['tsc', '-p', 'dashboard'], fix: 'npx tsc -p dashboard' },
  { name: 'unused code', command: ['knip', '--no-progress'], fix: 'remove it, or say in knip.json why it stays' },
];

const binary = (/** @type {string} */ name) => join(root, 'node_modules/.bin', name);

/** @returns {Counts} */
function runChecks() {
  let passed = 0;
  // With CI set, oxlint colors its output for a log as well.
  const { CI: _, ...env } = process.env;
  for (const { name, command, fix } of checks) {
    const started = performance.now();
    const { ok, output } = capture(binary(command[0] ?? ''), command.slice(1), { cwd: root, env });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (ok) {
      passed++;
      console.log(`ok      ${name} (${seconds} s)`);
    } else {
      console.log(`FAILED  ${name}: ${commandLine(command)}\n${output}\n  help: ${fix}`);
    }
  }
  return { passed, failed: checks.length - passed, skipped: 0 };
}

/**
 * @param {string[]} args for vitest
 * @returns {Counts}
 */
function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'retort-tests-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`];
    const { status, error } = spawnSync(binary('vitest'), ['run', ...reporters, ...args], {
      cwd: root,
      stdio: 'inherit',
    });
    if (error) console.log(`FAILED  vitest: ${error.message}`);
    return countTests(readJson(report), status === 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {any} report vitest's JSON report; undefined when it did not get that far
 * @param {boolean} succeeded whether vitest ended with status 0
 * @returns {Counts}
 */
function countTests(report, succeeded) {
  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  // A file that cannot be loaded fails without a test of its own.
  const broken = (report?.testResults ?? []).filter(
    (/** @type {any} */ file) =>
      file.status === 'failed' && !file.assertionResults.some((/** @type {any} */ test) => test.status === 'failed'),
  );
  const failed = (report?.numFailedTests ?? 0) + broken.length;
  // No report, an error outside any test, a crash, no test at all: vitest's status tells.
  return { passed, failed: failed === 0 && !succeeded ? 1 : failed, skipped };
}

// vitest colors its output whenever CI is set; a log is to stay readable.
if (!process.stdout.isTTY) process.env['NO_COLOR'] = '1';
const args = process.argv.slice(2);
const counts = [...(args.length === 0 ? [runChecks()] : []), runTests(args)];
const sum = (/** @type {keyof Counts} */ key) => counts.reduce((total, count) => total + count[key], 0);
const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
process.exitCode = sum('failed') > 0 ? 1 : 0;

// Tries the built addon in a process of its own: one that cannot be loaded then says why and harms nobody.

import { readFileSync } from 'node:fs';

import { capture } from './processes.mjs';

/**
 * @typedef {object} AddonProbe
 * @property {boolean} loads
 * @property {string} message why it does not load; else empty
 * @property {{ version?: string, cuda?: boolean, threads?: number }} info what the addon says of itself; empty when nothing
 * @property {string | undefined} blasCore the processor that OpenBLAS computes for; undefined without OpenBLAS
 */

const script = `
  const addon = require(process.argv[1]);
  const info = typeof addon.info === 'function' ? addon.info() : {};
  process.stdout.write('\\n' + JSON.stringify(info));
`;

/**
 * @param {string} file the addon
 * @param {NodeJS.ProcessEnv} [extra] what the process needs besides
 * @returns {AddonProbe}
 */
export function probeAddon(file, extra = {}) {
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, OPENBLAS_VERBOSE: '2', ...extra };
  const coreType = env['OPENBLAS_CORETYPE'] ?? suggestedCoreType();
  if (coreType) env['OPENBLAS_CORETYPE'] = coreType;
  const { ok, stdout, stderr, output } = capture(process.execPath, ['-e', script, file], { env });
  const blasCore = /^Core: (\S+)/m.exec(stderr)?.[1];
  if (!ok) return { loads: false, message: essence(output), info: {}, blasCore };
  return { loads: true, message: '', info: JSON.parse(stdout.split('\n').at(-1) || '{}'), blasCore };
}

/**
 * The value of OPENBLAS_CORETYPE that Retort sets before it loads libtorch: Debian's OpenBLAS takes new AMD processors with
 * AVX-512 for old ones without. The same rule as in src/torch/native.ts; RETORT_TUNE_BLAS=0 turns it off.
 * @returns {string | undefined}
 */
export function suggestedCoreType(cpuinfo = '/proc/cpuinfo') {
  if (process.arch !== 'x64' || process.env['RETORT_TUNE_BLAS'] === '0') return undefined;
  try {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync(cpuinfo, 'utf8'))?.[1]?.split(' '));
    return ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'].every((flag) => flags.has(flag)) ? 'SKYLAKEX' : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The line that names the error, without Node's source excerpt and stack.
 * @param {string} output
 */
function essence(output) {
  const lines = output.split('\n').filter((line) => !line.startsWith('Core: '));
  return (lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.findLast((line) => line.trim() !== '') ?? '').trim();
}

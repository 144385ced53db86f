// Compiles native/*.cc against the libtorch and the Node found, into build/retort.node, when any of them has changed.
//   node tools/build-native.mjs [--force] [--source DIR] [--out DIR] [--sanitize]
// --sanitize builds with AddressSanitizer and UndefinedBehaviorSanitizer: see prove-native.mjs, which runs what it gives.

import { copyFileSync, mkdirSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { probeAddon } from './addon.mjs';
import { hasGloo, requireLibtorch } from './libtorch.mjs';
import { findNodeHeaders } from './node-headers.mjs';
import { buildDir, nativeDir, root } from './paths.mjs';
import { capture, which } from './processes.mjs';
import { filesBelow, hashFiles, readJson, writeJson } from './stamps.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @typedef {import('./libtorch.mjs').Libtorch} Libtorch */

/**
 * What an addon built now would be made from; two equal stamps mean equal addons.
 * @param {Libtorch} libtorch
 * @param {{ dir: string, version: string }} headers
 */
export function addonStamp(libtorch, headers, source = nativeDir, sanitize = false) {
  const { mtimeMs, size } = statSync(realpathSync(join(libtorch.libDir, 'libtorch_cpu.so')));
  const recipe = [join(nativeDir, 'CMakeLists.txt'), join(root, 'tools/build-native.mjs')];
  const gloo = hasGloo(libtorch);
  const environment = { root, libtorch, gloo, sanitize, mtimeMs, size, headers, compiler: process.env['CXX'] ?? '' };
  return {
    sources: hashFiles(filesBelow(source), source),
    environment: JSON.stringify({ ...environment, recipe: hashFiles(recipe, root) }),
  };
}

/**
 * @param {{ libtorch?: Libtorch, source?: string, out?: string, force?: boolean, sanitize?: boolean }} [options]
 * @returns {boolean} whether anything had to be built
 * @throws {ToolError} when something is missing, or with the compiler's output
 */
export function buildNative(options = {}) {
  const { libtorch = requireLibtorch(), source = nativeDir, out = buildDir, force = false, sanitize = false } = options;
  const headers = findNodeHeaders();
  const stamp = addonStamp(libtorch, headers, source, sanitize);
  const stampFile = join(out, 'stamp.json');
  const before = readJson(stampFile);
  const addon = join(out, 'retort.node');
  if (!force && isBuilt(addon) && before?.sources === stamp.sources && before.environment === stamp.environment)
    return false;

  console.log(`building the native addon for libtorch ${libtorch.version} (about a minute) ...`);
  const work = join(out, which('ninja') ? 'ninja' : 'make');
  rmSync(stampFile, { force: true });
  if (force || before?.environment !== stamp.environment) rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  compile(libtorch, headers.dir, { source, out, work, sanitize });

  // A process that has the old addon loaded keeps it: the new one takes its name, not its place on the disk.
  copyFileSync(join(work, 'retort.node'), `${addon}.tmp`);
  renameSync(`${addon}.tmp`, addon);
  const probe = probeAddon(addon, sanitize ? sanitizerEnvironment() : {});
  if (!probe.loads) {
    throw new ToolError(
      `the addon was built but does not load: ${probe.message}`,
      'the libtorch compiled against and the libraries found at run time differ; `npm run doctor` shows both',
    );
  }
  writeJson(join(out, 'libtorch.json'), { ...libtorch, node: headers });
  writeJson(stampFile, stamp);
  return true;
}

/**
 * @param {Libtorch} libtorch
 * @param {string} nodeInclude
 * @param {{ source: string, out: string, work: string, sanitize: boolean }} folders
 */
function compile(libtorch, nodeInclude, { source, out, work, sanitize }) {
  const cmake = which('cmake');
  const ninja = which('ninja');
  if (!cmake || !(ninja ?? which('make'))) {
    throw new ToolError('CMake, and Ninja or Make, are needed', 'apt-get install g++ cmake make');
  }
  const rpath = [...(libtorch.blasDir ? [libtorch.blasDir] : []), libtorch.libDir];
  const log = join(out, 'native.log');
  const settings = {
    CMAKE_BUILD_TYPE: 'Release',
    RETORT_SOURCES: source,
    RETORT_INCLUDE_DIRS: [nodeInclude, ...libtorch.includeDirs].join(';'),
    RETORT_LIBRARIES: libtorch.libraries.join(';'),
    RETORT_RPATH: rpath.join(';'),
    RETORT_TORCH_VERSION: libtorch.version === 'unknown' ? '2.0' : libtorch.version,
    RETORT_CXX11_ABI: libtorch.cxx11Abi ? '1' : '0',
    RETORT_GLOO: hasGloo(libtorch) ? 'ON' : 'OFF',
    RETORT_SANITIZE: sanitize ? 'ON' : 'OFF',
  };
  // One compiler takes up to 2 GB: fewer at a time where memory is short.
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2e9)));
  /** @type {string[][]} */
  const steps = [
    ['-S', nativeDir, '-B', work, '-G', ninja ? 'Ninja' : 'Unix Makefiles'],
    ['--build', work, '--parallel', String(jobs)],
  ];
  steps[0]?.push(...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`));
  for (const args of steps) {
    const { ok, output } = capture(cmake, args);
    writeFileSync(log, `${output}\n`, { flag: args === steps[0] ? 'w' : 'a' });
    if (ok) continue;
    const lines = output.split('\n').filter((line) => !/^(\[\s*\d+(%|\/\d+)\]|-- )/.test(line));
    const shown = lines.length > 80 ? [...lines.slice(0, 80), `... (the rest is in ${log})`] : lines;
    throw new ToolError(
      `the native build failed:\n${shown.join('\n')}`,
      `everything the compiler said is in ${log}; \`npm run doctor\` shows the compiler and the libtorch used`,
    );
  }
}

/**
 * What a process needs to load an addon built with --sanitize: the sanitizer's library must be there before all others, and beside
 * it the C++ library, whose exceptions it would otherwise not find.
 */
export function sanitizerEnvironment() {
  const compiler = process.env['CXX'] ?? 'c++';
  const libraries = ['libasan.so', 'libstdc++.so'].map((name) =>
    capture(compiler, [`-print-file-name=${name}`]).stdout.trim(),
  );
  if (!libraries.every((file) => file.includes('/'))) {
    throw new ToolError(
      `${compiler} has no AddressSanitizer`,
      'apt-get install g++, or set CXX to a compiler that has it',
    );
  }
  // Leaks are looked for by counting tensors and bytes (test/setup.ts): V8 and libtorch end with much that they never free.
  // A request that is too large is an error of ours, not the end. V8 handles the signals that are its own.
  const options = ['detect_leaks=0', 'allocator_may_return_null=1', 'allow_user_segv_handler=1', 'abort_on_error=1'];
  return {
    LD_PRELOAD: libraries.join(' '),
    ASAN_OPTIONS: options.join(':'),
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  };
}

/** @param {string} file */
function isBuilt(file) {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

if (process.argv[1] && import.meta.filename === realpathSync(process.argv[1])) {
  runTool('build-native', () => {
    const options = /** @type {const} */ ({
      force: { type: 'boolean' },
      source: { type: 'string' },
      out: { type: 'string' },
      sanitize: { type: 'boolean' },
    });
    const built = buildNative(parseArgs({ options }).values);
    console.log(built ? 'build-native: done' : 'build-native: up to date');
  });
}

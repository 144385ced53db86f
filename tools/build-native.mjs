// Compiles native/*.cc against the libtorch and the Node found, into build/retort.node, when any of them has changed.
//   node tools/build-native.mjs [--force] [--source DIR] [--out DIR] [--sanitize]
// --sanitize builds with AddressSanitizer and UndefinedBehaviorSanitizer: see prove-native.mjs, which runs what it gives.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { doctorCommand, hashSources, mismatch, readAddon, seal } from './addon-file.mjs';
import { probeAddon } from './addon.mjs';
import { hasGloo, requireLibtorch, supported, untestedNote } from './libtorch.mjs';
import { findNodeHeaders } from './node-headers.mjs';
import { buildDir, nativeDir, root } from './paths.mjs';
import { capture, which } from './processes.mjs';
import { findCompiler } from './requirements.mjs';
import { hashFiles, readJson, writeWhole } from './stamps.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @typedef {import('./libtorch.mjs').Libtorch} Libtorch */
/** @typedef {import('./addon-file.d.mts').AddonRecord} AddonRecord */
/** @typedef {Omit<AddonRecord, 'sha256'>} Facts what an addon built now would be made from; equal keys mean equal addons */

/**
 * @param {Libtorch} libtorch
 * @returns {Facts}
 */
export function addonFacts(libtorch, source = nativeDir, sanitize = false) {
  const file = realpathSync(join(libtorch.libDir, 'libtorch_cpu.so'));
  const { mtimeMs, size } = statSync(file);
  const compiler = findCompiler();
  const facts = {
    retort: /** @type {string} */ (readJson(join(root, 'package.json'))?.version),
    sources: hashSources(source) ?? '',
    platform: `${process.platform}-${process.arch}`,
    node: { version: process.versions.node, abi: process.versions.modules ?? '' },
    libtorch: { version: libtorch.version, file, size, mtimeMs },
    // Without a compiler an addon of any will do.
    compiler: compiler === undefined ? '' : (capture(compiler, ['--version']).stdout.split('\n')[0] ?? ''),
  };
  const { source: _, ...parts } = libtorch;
  const recipe = hashFiles([join(root, 'tools/build-native.mjs')], root);
  const { node, compiler: __, ...rest } = facts;
  const key = createHash('sha256')
    .update(JSON.stringify({ ...rest, abi: node.abi, parts, gloo: hasGloo(libtorch), sanitize, recipe }))
    .digest('hex');
  return { ...facts, key };
}

/**
 * Whether a file is the addon that would be built now.
 * @param {string} file
 * @param {Facts} facts
 */
export function isAddonOf(file, { key, compiler }) {
  const record = readAddon(file);
  return typeof record !== 'string' && record.key === key && (compiler === '' || record.compiler === compiler);
}

/**
 * Builds the addon of a clone, beside what CMake needs to build it again quickly.
 * @param {{ libtorch?: Libtorch, source?: string, out?: string, force?: boolean, sanitize?: boolean }} [options]
 * @returns {boolean} whether anything had to be built
 * @throws {ToolError} when something is missing, or with the compiler's output
 */
export function buildNative(options = {}) {
  const { libtorch = requireLibtorch(), source = nativeDir, out = buildDir, force = false, sanitize = false } = options;
  const facts = addonFacts(libtorch, source, sanitize);
  const addon = join(out, 'retort.node');
  if (!force && isAddonOf(addon, facts)) return false;
  const before = readAddon(addon);
  const isSame =
    typeof before !== 'string' &&
    before.compiler === facts.compiler &&
    mismatch({ ...before, sources: facts.sources }, facts.retort) === undefined;
  if (force || !isSame) for (const name of ['ninja', 'make']) rmSync(join(out, name), { recursive: true, force: true });
  writeWhole(addon, compileAddon(libtorch, facts, { source, out, sanitize }), { mode: 0o755 });
  return true;
}

/**
 * Compiles, and tries the result.
 * @param {Libtorch} libtorch
 * @param {Facts} facts
 * @param {{ source: string, out: string, sanitize?: boolean }} how `out` gets CMake's files and the log
 * @returns {Buffer} the addon with its record
 * @throws {ToolError} when something is missing, or with the compiler's output
 */
export function compileAddon(libtorch, facts, { source, out, sanitize = false }) {
  console.log(`building the native addon for libtorch ${libtorch.version} (about a minute) ...`);
  const work = join(out, which('ninja') ? 'ninja' : 'make');
  // CMake refuses a folder that was moved.
  const settings = join(work, 'CMakeCache.txt');
  if (existsSync(settings) && !readFileSync(settings, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${nativeDir}\n`))
    rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  compile(libtorch, findNodeHeaders().dir, { source, out, work, sanitize });
  const library = join(work, 'retort.node');
  const probe = probeAddon(library, sanitize ? sanitizerEnvironment() : {});
  if (probe.loads) return seal(readFileSync(library), facts);
  throw new ToolError(
    `the addon was built but does not load: ${probe.message}`,
    `the libtorch compiled against and the libraries found at run time differ; \`${doctorCommand()}\` shows both`,
  );
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
  // One compiler takes up to 2 GB: fewer at a time where memory is short, or where CMake's own variable says so.
  const wanted = Number(process.env['CMAKE_BUILD_PARALLEL_LEVEL']) || availableParallelism();
  const jobs = Math.max(1, Math.min(wanted, Math.floor(totalmem() / 2e9)));
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
    const note = untestedNote(libtorch);
    throw new ToolError(
      `the native build failed:\n${shown.join('\n')}`,
      (note === undefined ? '' : `${note}: take one up to ${supported.newest}, RETORT_LIBTORCH names its folder; `) +
        `everything the compiler said is in ${log}; \`${doctorCommand()}\` shows the compiler and the libtorch used`,
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

if (process.argv[1] && import.meta.filename === realpathSync(process.argv[1])) {
  runTool('build-native', () => {
    const options = /** @type {const} */ ({
      force: { type: 'boolean' },
      source: { type: 'string' },
      out: { type: 'string' },
      sanitize: { type: 'boolean' },
    });
    const { values } = parseArgs({ options });
    const built = buildNative({
      ...values,
      // Node would look for a relative addon among the packages.
      ...(values.source === undefined ? {} : { source: resolve(values.source) }),
      ...(values.out === undefined ? {} : { out: resolve(values.out) }),
    });
    console.log(built ? 'build-native: done' : 'build-native: up to date');
  });
}

// Says what is there and what is missing, with the command that mends it. Status 1 when something necessary is missing.
//   npm run doctor      or, in an installed package: retort doctor [--json]

import { existsSync, realpathSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { cacheFolder } from './addon-cache.mjs';
import { explain, findAddon, platformHelp, platformProblem, setupCommand } from './addon-file.mjs';
import { probeAddon, suggestedCoreType } from './addon.mjs';
import { installCommand } from './apt.mjs';
import { isDistCurrent } from './build-dist.mjs';
import { addonFacts } from './build-native.mjs';
import { findFashionMnist } from './fashion-mnist.mjs';
import { findLibtorch, hasGloo, libtorchHelp, supported, untestedNote } from './libtorch.mjs';
import { findNodeHeaders } from './node-headers.mjs';
import { distDir, root, sourceDir } from './paths.mjs';
import { capture, which } from './processes.mjs';
import { findCompiler, isNodeSupported } from './requirements.mjs';
import { readJson } from './stamps.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @typedef {import('./libtorch.mjs').Libtorch} Libtorch */

/**
 * @typedef {object} Finding
 * @property {string} name
 * @property {'ok' | 'missing' | 'note'} state `missing`: Retort does not work without; `note`: it does, but less well
 * @property {string} value
 * @property {string} [fix] the command that mends it
 */

const otherLibtorch = `where it does not build or compute right, take one up to ${supported.newest}: RETORT_LIBTORCH names its folder`;

/** An installed package has no sources of its own. */
const isClone = existsSync(sourceDir);

/** @returns {Finding[]} */
function examine() {
  const platform = platformProblem();
  if (platform !== undefined) return [{ name: 'system', state: 'missing', value: platform, fix: platformHelp }];
  // What follows would not run on it.
  if (!isNodeSupported()) return [examineNode()];
  const { libtorch, finding } = examineLibtorch();
  const search = findAddon(readJson(join(root, 'package.json'))?.version);
  const file = search.chosen?.file;
  const probe = file === undefined ? undefined : probeAddon(file);
  // Who has an addon that fits needs nothing to build one.
  const toBuild = [
    examineNodeHeaders(),
    examineProgram('npm', which('npm'), 'install Node from nodejs.org, which brings npm'),
    examineProgram('C++ compiler', findCompiler(), installCommand(['g++'])),
    examineProgram('CMake', which('cmake'), installCommand(['cmake'])),
    examineProgram('Ninja or Make', which('ninja') ?? which('make'), installCommand(['make'])),
  ].map((one) =>
    !isClone && probe?.loads && one.state === 'missing' ? { ...one, state: /** @type {const} */ ('note') } : one,
  );
  return [
    examineNode(),
    ...toBuild,
    finding,
    examineBlas(libtorch, file, probe),
    ...examineAddon(libtorch, search, probe),
    examineThreads(),
    examineProcesses(libtorch),
    ...(isClone ? [examineDist()] : []),
    examineData(),
  ];
}

/** @returns {Finding} */
function examineNode() {
  const value = `${process.versions.node} (${process.execPath})`;
  if (isNodeSupported()) return { name: 'Node', state: 'ok', value };
  return { name: 'Node', state: 'missing', value: `${value} is older than 20.19`, fix: 'install Node 20, 22 or 24' };
}

/** @returns {Finding} */
function examineNodeHeaders() {
  const name = 'Node headers';
  try {
    const { dir, version } = findNodeHeaders();
    return { name, state: 'ok', value: `${version} (${dir})` };
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    return { name, state: 'missing', value: error.message, fix: error.help };
  }
}

/**
 * @param {string} name
 * @param {string | undefined} file
 * @param {string} fix
 * @returns {Finding}
 */
function examineProgram(name, file, fix) {
  if (!file) return { name, state: 'missing', value: 'not found on PATH', fix };
  const { ok, stdout, output } = capture(file, ['--version']);
  if (!ok) return { name, state: 'missing', value: `${file} does not run: ${output.split('\n')[0]}`, fix };
  return { name, state: 'ok', value: `${stdout.split('\n')[0]} (${file})` };
}

/** @returns {{ libtorch: Libtorch | undefined, finding: Finding }} */
function examineLibtorch() {
  const name = 'libtorch';
  try {
    const { libtorch, tried } = findLibtorch();
    if (!libtorch) return { libtorch, finding: { name, state: 'missing', value: tried.join('; '), fix: libtorchHelp } };
    const cuda = libtorch.cuda ? 'CUDA' : 'no CUDA';
    const value = `${libtorch.version}, ${cuda}, found as ${libtorch.source} in ${libtorch.libDir}`;
    const note = untestedNote(libtorch);
    if (note === undefined) return { libtorch, finding: { name, state: 'ok', value } };
    return { libtorch, finding: { name, state: 'note', value: `${value}; ${note}`, fix: otherLibtorch } };
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    return { libtorch: undefined, finding: { name, state: 'missing', value: error.message, fix: error.help } };
  }
}

/**
 * @param {Libtorch | undefined} libtorch
 * @param {string | undefined} addonFile
 * @param {import('./addon.mjs').AddonProbe | undefined} probe
 * @returns {Finding}
 */
function examineBlas(libtorch, addonFile, probe) {
  const name = 'BLAS';
  if (!libtorch) return { name, state: 'note', value: 'unknown without libtorch' };
  const library = addonFile
    ? /libblas\.so\S* => (\S+)/.exec(capture('ldd', [addonFile]).stdout)?.[1]
    : [libtorch.blasDir, libtorch.libDir]
        .map((dir) => join(dir ?? '', 'libblas.so.3'))
        .find((file) => existsSync(file));
  if (!library) return { name, state: 'ok', value: 'the one inside libtorch' };
  const given = process.env['OPENBLAS_CORETYPE'];
  const coreType = given ? `${given} (from the environment)` : (suggestedCoreType() ?? "OpenBLAS' own choice");
  const computes = probe?.blasCore ? `, computes for ${probe.blasCore}` : '';
  const value = `${realpathSync(library)}, OPENBLAS_CORETYPE: ${coreType}${computes}`;
  if (libtorch.source !== 'system' || libtorch.blasDir) return { name, state: 'ok', value };
  return {
    name,
    state: 'note',
    value: `${value}; with OpenMP threads linear layers are 3x faster`,
    fix: installCommand(['libopenblas0-openmp']),
  };
}

/**
 * Which addon is used and why, those that were passed over, and the cache.
 * @param {Libtorch | undefined} libtorch
 * @param {import('./addon-file.d.mts').AddonSearch} search
 * @param {import('./addon.mjs').AddonProbe | undefined} probe
 * @returns {Finding[]}
 */
function examineAddon(libtorch, search, probe) {
  const name = 'addon';
  const over = search.candidates.filter(({ problem }) => problem !== undefined);
  const passed = over.map(({ file, problem }) => ({
    name: 'passed over',
    state: /** @type {const} */ ('note'),
    value: `${file}: ${problem}`,
  }));
  const cache = {
    name: 'cache',
    state: /** @type {const} */ ('ok'),
    value: cacheFolder() ?? 'none: this user has no home folder',
  };
  const { chosen } = search;
  if (!chosen?.record || !probe) {
    const { message, help } = explain(search);
    return [
      { name, state: 'missing', value: over.length > 0 ? 'none that fits' : message, fix: help },
      ...passed,
      cache,
    ];
  }
  const { file, origin, record } = chosen;
  const whence = {
    RETORT_ADDON: 'named by RETORT_ADDON',
    package: 'of this package',
    bundle: 'beside the bundle',
    cache: 'from the cache',
  }[origin];
  const made = `built for libtorch ${record.libtorch.version} in ${dirname(record.libtorch.file)} and Node ${record.node.version}`;
  const value = `${file} (${whence}), ${made}`;
  if (!probe.loads) {
    const fix = origin === 'RETORT_ADDON' ? 'unset RETORT_ADDON' : `remove it, then ${setupCommand()}`;
    return [{ name, state: 'missing', value: `${value}, does not load: ${probe.message}`, fix }, ...passed, cache];
  }
  const says = `${value}; loads, says libtorch ${probe.info.version}, ${probe.info.cuda ? 'CUDA usable' : 'no CUDA'}`;
  const isOther = libtorch !== undefined && origin !== 'RETORT_ADDON' && !isCurrent(libtorch, record.key);
  const finding = isOther
    ? { name, state: /** @type {const} */ ('note'), value: `${says}; another would be built now`, fix: setupCommand() }
    : { name, state: /** @type {const} */ ('ok'), value: says };
  return [finding, ...passed, cache];
}

/**
 * @param {Libtorch} libtorch
 * @param {string} key
 */
function isCurrent(libtorch, key) {
  return addonFacts(libtorch).key === key;
}

/** @returns {Finding} */
function examineThreads() {
  const cores = availableParallelism();
  const wish = process.env['RETORT_THREADS'];
  const threads = wish ? `${wish} (RETORT_THREADS)` : `${cores}, all of them`;
  return { name: 'threads', state: 'ok', value: `this process may use ${cores} cores, libtorch will use ${threads}` };
}

/**
 * @param {Libtorch | undefined} libtorch
 * @returns {Finding}
 */
function examineProcesses(libtorch) {
  const name = 'processes';
  if (!libtorch) return { name, state: 'note', value: 'unknown without libtorch' };
  if (hasGloo(libtorch)) return { name, state: 'ok', value: 'several can train together (Gloo)' };
  const fix = libtorch.source === 'system' ? installCommand(['libgloo-dev']) : libtorchHelp;
  return { name, state: 'note', value: "one at a time: this libtorch comes without Gloo's headers", fix };
}

/** @returns {Finding} */
function examineDist() {
  const name = 'dist';
  if (!existsSync(distDir)) return { name, state: 'missing', value: 'not built', fix: setupCommand() };
  if (isDistCurrent()) return { name, state: 'ok', value: 'built, up to date' };
  return { name, state: 'note', value: 'older than src/', fix: setupCommand() };
}

/** @returns {Finding} */
function examineData() {
  const name = 'Fashion-MNIST';
  const folder = findFashionMnist();
  if (folder) return { name, state: 'ok', value: folder };
  return {
    name,
    state: 'note',
    value: 'not found: the quickstart needs it',
    fix: installCommand(['dataset-fashion-mnist']),
  };
}

runTool('doctor', () => {
  const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
  const findings = examine();
  const ok = findings.every(({ state }) => state !== 'missing');
  if (values.json) {
    console.log(JSON.stringify({ ok, findings }, undefined, 2));
  } else {
    const width = Math.max(...findings.map(({ name }) => name.length));
    for (const { name, state, value, fix } of findings) {
      console.log(`${name.padEnd(width)}  ${state.padEnd(7)}  ${value}`);
      if (fix) console.log(`${' '.repeat(width)}  mend:    ${fix}`);
    }
    console.log(
      ok ? 'everything necessary is there' : 'something necessary is missing: see the lines marked `missing`',
    );
  }
  if (!ok) process.exitCode = 1;
});

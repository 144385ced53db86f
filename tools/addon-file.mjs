// The native addon as a file: where it may lie, what it was built from, and whether it fits this process. The one place that knows;
// the setup, the doctor and the engine itself (src/torch/native.ts) all ask here, and it works before anything is compiled.
//
// An addon carries its own record: behind the last byte of the library stand a JSON text, its length in eight digits and a mark.
// The dynamic linker does not look there. So a file is whole or it is not, and it says what it is wherever it is copied to.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { cachedAddons } from './addon-cache.mjs';

/** @typedef {import('./addon-file.d.mts').AddonRecord} AddonRecord */
/** @typedef {import('./addon-file.d.mts').AddonCandidate} AddonCandidate */
/** @typedef {import('./addon-file.d.mts').AddonSearch} AddonSearch */

const mark = 'RETORT-ADDON-1';
const digits = 8;

/** This file, or the bundle it was put into; a bundle of CommonJS has no `import.meta.url`. */
const here = import.meta.url ? fileURLToPath(import.meta.url) : __filename;
const above = dirname(dirname(here));
/** The root of the clone or of the installed package; undefined in a bundle. */
const packageRoot = existsSync(join(above, 'tools/addon-file.mjs')) ? above : undefined;
const isClone = packageRoot !== undefined && existsSync(join(packageRoot, 'src/torch'));

/**
 * The library's bytes with its record behind them.
 * @param {Uint8Array} library
 * @param {Omit<AddonRecord, 'sha256'>} facts
 */
export function seal(library, facts) {
  const record = Buffer.from(JSON.stringify({ ...facts, sha256: sha256(library) }));
  return Buffer.concat([library, record, Buffer.from(`${String(record.length).padStart(digits, '0')}${mark}`)]);
}

/**
 * What an addon says of itself, when it is whole.
 * @param {string} file
 * @returns {AddonRecord | string} or why it cannot be used
 */
export function readAddon(file) {
  let bytes;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    return code === 'ENOENT' ? 'there is no such file' : `it cannot be read: ${message}`;
  }
  const end = bytes.length - mark.length - digits;
  const length = Number(bytes.toString('latin1', end, end + digits));
  if (end < 0 || bytes.toString('latin1', end + digits) !== mark || !(length <= end))
    return 'it is no addon of Retort, or not a whole one';
  const library = bytes.subarray(0, end - length);
  /** @type {AddonRecord} */
  const record = JSON.parse(bytes.toString('utf8', end - length, end));
  return record.sha256 === sha256(library) ? record : 'it is damaged: its hash is another one';
}

/** @param {Uint8Array} bytes */
function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** @type {string | undefined} */
let ownSources;

/**
 * One hash over the native sources, names and contents.
 * @param {string} [folder] default: this package's
 * @returns {string | undefined} undefined in a bundle, which has none
 */
export function hashSources(folder) {
  if (folder === undefined) {
    if (packageRoot !== undefined) ownSources ??= hashSources(join(packageRoot, 'native'));
    return ownSources;
  }
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).toSorted()) {
    if (!/\.(cc|h|txt)$/.test(name)) continue;
    const bytes = readFileSync(join(folder, name));
    hash.update(`${name}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/**
 * Whether the library a record speaks of is still the one it was built against.
 * @param {AddonRecord['libtorch']} libtorch
 */
function libtorchProblem({ version, file, size, mtimeMs }) {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return `it was built against libtorch ${version} in ${dirname(file)}, which is gone`;
  if (stat.size === size && stat.mtimeMs === mtimeMs) return undefined;
  return `the libtorch in ${dirname(file)} has changed since it was built against its version ${version}`;
}

/**
 * Why this process cannot use an addon.
 * @param {AddonRecord} record
 * @param {string} version of Retort
 * @returns {string | undefined} undefined when it can
 */
export function mismatch(record, version) {
  const { retort, sources, platform, node, libtorch } = record;
  const [own, now] = [hashSources(), `${process.platform}-${process.arch}`];
  if (platform !== now) return `it was built for ${platform}, and this is ${now}`;
  if (retort !== version) return `it was built for Retort ${retort}, and this is Retort ${version}`;
  if (own !== undefined && sources !== own) return 'it was built from other native sources than this Retort has';
  if (node.abi !== process.versions.modules)
    return `it was built for Node ${node.version} (ABI ${node.abi}), and this is Node ${process.versions.node} (ABI ${process.versions.modules})`;
  return libtorchProblem(libtorch);
}

/**
 * Why a libtorch named in the environment is not the one of a record; what is named wrongly is the setup's to refuse.
 * @param {AddonRecord} record
 * @param {NodeJS.ProcessEnv} env
 */
function otherWish({ libtorch }, env) {
  const name = env['RETORT_LIBTORCH'] ? 'RETORT_LIBTORCH' : 'LIBTORCH';
  const prefix = env[name];
  if (!prefix) return undefined;
  const wanted = ['lib', 'lib64']
    .map((lib) => join(resolve(prefix), lib, 'libtorch_cpu.so'))
    .find((file) => existsSync(file));
  if (wanted !== undefined && realpathSync(wanted) === libtorch.file) return undefined;
  return `it was built against ${dirname(libtorch.file)}, and ${name} is ${prefix}`;
}

/**
 * Code from a folder that others can write to is theirs.
 * @param {string} file
 */
function foreign(file) {
  const uid = process.getuid?.();
  const owners = [dirname(file), file].map((path) => statSync(path, { throwIfNoEntry: false }));
  const isForeign = owners.some((stat) => stat && (![0, uid].includes(stat.uid) || (stat.mode & 0o002) !== 0));
  return isForeign ? 'it, or its folder, belongs to another user or can be written by all' : undefined;
}

/**
 * Looks for the addon that this process is to load: the one RETORT_ADDON names, else the first that fits of the package's own, or
 * the one beside a bundle, and those in the user's cache.
 * @param {string} version of Retort
 * @returns {AddonSearch}
 */
export function findAddon(version, env = process.env) {
  /** @type {AddonCandidate[]} */
  const candidates = [];
  const isChosen = (/** @type {AddonCandidate['origin']} */ origin, /** @type {string} */ file) => {
    const record = readAddon(file);
    if (typeof record === 'string') {
      if (origin === 'RETORT_ADDON' || existsSync(file)) candidates.push({ origin, file, problem: record });
      return false;
    }
    const problem =
      (origin === 'cache' ? foreign(file) : undefined) ??
      mismatch(record, version) ??
      (origin === 'RETORT_ADDON' ? undefined : otherWish(record, env));
    candidates.push({ origin, file, record, problem });
    return problem === undefined;
  };
  const named = env['RETORT_ADDON'];
  /** @type {[AddonCandidate['origin'], string][]} */
  const places = named
    ? [['RETORT_ADDON', resolve(named)]]
    : [
        packageRoot === undefined
          ? ['bundle', join(dirname(here), 'retort.node')]
          : ['package', join(packageRoot, 'build/retort.node')],
        ...cachedAddons(env).map((file) => /** @type {['cache', string]} */ (['cache', file])),
      ];
  const found = places.some(([origin, file]) => isChosen(origin, file));
  return { chosen: found ? candidates.at(-1) : undefined, candidates };
}

/**
 * How the command `retort` is typed where this process runs: it is on no PATH.
 * @param {string} [rest] sub-command and arguments, such as `train CONFIG`
 */
export function retortCommand(rest = '') {
  const command = isClone
    ? `node ${fromHere('dist/cli/main.js')}`
    : process.versions['pnp']
      ? 'yarn retort'
      : here.includes('/.pnpm/')
        ? 'pnpm exec retort'
        : 'npx retort';
  return rest === '' ? command : `${command} ${rest}`;
}

/** The command that builds the addon, as it is typed where this process runs. */
export function setupCommand() {
  return isClone ? npmRun('build') : retortCommand('setup');
}

/** The command that shows what is there and what is missing. */
export function doctorCommand() {
  return isClone ? npmRun('doctor') : retortCommand('doctor');
}

/** The path of a file of the clone, as it is typed in the current folder. @param {string} name */
function fromHere(name) {
  const path = join(packageRoot ?? '', name);
  const short = relative('.', path);
  return short.length < path.length ? short : path;
}

/** A script of the clone's package.json, which npm finds from inside the clone alone. @param {string} script */
function npmRun(script) {
  const inside = relative(packageRoot ?? '', '.');
  return inside.startsWith('..') ? `npm --prefix ${fromHere('')} run ${script}` : `npm run ${script}`;
}

/**
 * Why Retort cannot run on this system.
 * @returns {string | undefined} undefined when it can
 */
export function platformProblem() {
  const names = /** @type {Record<string, string>} */ ({ darwin: 'macOS', win32: 'Windows' });
  if (process.platform !== 'linux')
    return `Retort runs on Linux with glibc, and this is ${names[process.platform] ?? process.platform}`;
  Object.assign(process.report, { excludeNetwork: true }); // it would look up names
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return header.glibcVersionRuntime
    ? undefined
    : 'Retort runs on Linux with glibc, and this Linux has another C library (musl)';
}

/** What to do on a system that Retort does not run on. */
export const platformHelp =
  'use Debian or Ubuntu, in a container or a virtual machine (on Windows: WSL 2); macOS on Apple silicon is planned';

/**
 * The words for a search without success.
 * @param {AddonSearch} search
 * @returns {{ message: string, help: string }}
 */
export function explain({ candidates }) {
  const platform = platformProblem();
  if (platform !== undefined) return { message: platform, help: platformHelp };
  const setup = `run \`${setupCommand()}\``;
  const [first] = candidates;
  if (first?.origin === 'RETORT_ADDON') {
    return {
      message: `RETORT_ADDON is ${first.file}, which cannot be used: ${first.problem}`,
      help: `name another file, or unset RETORT_ADDON and ${setup}`,
    };
  }
  const help = `${setup}, which ${isClone ? 'builds' : 'builds or finds'} it; \`${doctorCommand()}\` shows what is missing`;
  if (packageRoot === undefined && candidates.length === 0) {
    return {
      message: 'the native addon is missing: a bundle does not hold it',
      help: `${setup} in the project, and set RETORT_ADDON to node_modules/retort-kd/build/retort.node or copy that file beside the bundle`,
    };
  }
  if (!first) return { message: 'the native addon is not built yet', help };
  const lines = candidates.map(({ file, problem }) => `  ${file}: ${problem}`);
  return { message: ['there is no native addon that fits:', ...lines].join('\n'), help };
}

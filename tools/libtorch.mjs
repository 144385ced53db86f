// Finds libtorch: RETORT_LIBTORCH or LIBTORCH (a folder with include/ and lib/), else the `torch` package of the python on
// PATH, else the system's. Only looks at files: importing torch would take seconds, and the compiler may not be there yet.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

import { capture, which } from './processes.mjs';
import { ToolError } from './tool-error.mjs';

/**
 * @typedef {object} Libtorch
 * @property {'RETORT_LIBTORCH' | 'LIBTORCH' | 'python' | 'system'} source how it was found
 * @property {string} prefix the folder that holds `include`
 * @property {string[]} includeDirs
 * @property {string} libDir
 * @property {string[]} libraries the shared libraries to link, as files
 * @property {string} version `'1.13.1'`; `'unknown'` when nothing tells
 * @property {boolean} cuda whether it was built with CUDA
 * @property {boolean} cxx11Abi whether its `std::string` is the one of C++11 (`_GLIBCXX_USE_CXX11_ABI`)
 * @property {string} [blasDir] the folder of the BLAS to load in place of the system's default
 */

/** What people are told when there is none. */
export const libtorchHelp =
  'run `apt-get install libtorch-dev`, or `pip install torch`, or unpack libtorch and set RETORT_LIBTORCH to its folder';

/**
 * What Retort runs on. The oldest is a bound: older headers and schemas are not known to it. The newest is the newest that the whole suite
 * has passed with, and no bound: libtorch comes out every two months, mostly compiles, and the tests say what differs.
 */
export const supported = { oldest: '1.13', newest: '2.15' };

/**
 * Whether a version lies outside of what is supported.
 * @param {string} version `'unknown'` is inside
 * @returns {'too old' | 'untested' | undefined}
 */
export function versionProblem(version) {
  if (version === 'unknown') return undefined;
  if (compareVersions(version, supported.oldest) < 0) return 'too old';
  return compareVersions(version, supported.newest) > 0 ? 'untested' : undefined;
}

/** What is said of a libtorch that is newer than all that were tested; undefined for others. @param {Libtorch} libtorch */
export function untestedNote({ version }) {
  if (versionProblem(version) !== 'untested') return undefined;
  return `libtorch ${version} is newer than ${supported.newest}, the newest that Retort was tested with`;
}

/**
 * By major and minor numbers.
 * @param {string} a
 * @param {string} b
 */
function compareVersions(a, b) {
  const [[major = 0, minor = 0], [otherMajor = 0, otherMinor = 0]] = /** @type {[number[], number[]]} */ (
    [a, b].map((text) => text.split('.').map(Number))
  );
  return major - otherMajor || minor - otherMinor;
}

/**
 * Whether several processes can compute together: the headers of libtorch's process group and of Gloo below it are there. Debian
 * has Gloo's in a package of their own; those of another Gloo than libtorch's would be worse than none.
 * @param {Libtorch} libtorch
 */
export function hasGloo({ includeDirs }) {
  const wanted = ['gloo/config.h', 'torch/csrc/distributed/c10d/ProcessGroupGloo.hpp'];
  return wanted.every((header) => includeDirs.some((dir) => existsSync(join(dir, header))));
}

const triplets = /** @type {Record<string, string>} */ ({
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  ppc64: 'powerpc64le-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
});
const systemLibDirs = [`/usr/lib/${triplets[process.arch] ?? process.arch}`, '/usr/lib64', '/usr/lib'];

/**
 * Looks in every place, in order.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ libtorch: Libtorch | undefined, tried: string[] }} `tried` says for each place why it was not taken
 * @throws {ToolError} when RETORT_LIBTORCH or LIBTORCH is set to something else: a wish is not silently passed over
 */
export function findLibtorch(env = process.env) {
  const tried = [];
  for (const source of /** @type {const} */ (['RETORT_LIBTORCH', 'LIBTORCH'])) {
    const prefix = env[source];
    if (!prefix) {
      tried.push(`${source}: not set`);
      continue;
    }
    const found = describe(source, resolve(prefix));
    if (typeof found === 'string') {
      throw new ToolError(
        `${source} is ${prefix}, which cannot be used: it ${found}`,
        `set it to a folder with include/ATen and lib/libtorch_cpu.so, of libtorch ${supported.oldest} to ${supported.newest}, or unset it`,
      );
    }
    return { libtorch: found, tried };
  }
  for (const look of [() => inPython(env), inSystem]) {
    const found = look();
    if (typeof found !== 'string') return { libtorch: found, tried };
    tried.push(found);
  }
  return { libtorch: undefined, tried };
}

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Libtorch}
 * @throws {ToolError} when there is none, saying where was looked
 */
export function requireLibtorch(env = process.env) {
  const { libtorch, tried } = findLibtorch(env);
  if (libtorch) return libtorch;
  throw new ToolError(`no libtorch found\n${tried.map((line) => `    ${line}`).join('\n')}`, libtorchHelp);
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Libtorch | string} the reason when there is none
 */
function inPython(env) {
  const python = which('python3', env['PATH']) ?? which('python', env['PATH']);
  if (!python) return 'python: no python3 or python on PATH';
  // From the root folder, so that no folder named torch beside the caller counts as a package.
  const script = 'import importlib.util as u; s = u.find_spec("torch"); print(s.origin if s and s.origin else "")';
  const origin = capture(python, ['-c', script], { cwd: '/', env }).stdout.trim();
  if (!origin) return `python: ${python} has no package torch`;
  const prefix = dirname(origin);
  const found = describe('python', prefix);
  if (typeof found === 'string') return `python: the package ${prefix} ${found}`;
  // Debian's package is links to the system's libtorch, which is to be used as such.
  const library = realpathSync(join(found.libDir, 'libtorch_cpu.so'));
  return systemLibDirs.includes(dirname(library)) ? `python: the package ${prefix} is the system's libtorch` : found;
}

/** @returns {Libtorch | string} the reason when there is none */
function inSystem() {
  const found = describe('system', '/usr');
  return typeof found === 'string' ? `system: /usr ${found}` : found;
}

/**
 * What is below a prefix.
 * @param {Libtorch['source']} source
 * @param {string} prefix
 * @returns {Libtorch | string} what is missing when it is no libtorch
 */
function describe(source, prefix) {
  const include = join(prefix, 'include');
  if (!existsSync(join(include, 'ATen/ATen.h'))) return 'has no headers (include/ATen/ATen.h)';
  const candidates = prefix === '/usr' ? systemLibDirs : [join(prefix, 'lib'), join(prefix, 'lib64')];
  const libDir = candidates.find((folder) => existsSync(join(folder, 'libtorch_cpu.so')));
  if (!libDir) return `has no libtorch_cpu.so (in ${candidates.join(', ')})`;
  const version = versionOf(prefix, libDir);
  if (versionProblem(version) === 'too old')
    return `is libtorch ${version}, and Retort needs ${supported.oldest} or newer`;
  const present = (/** @type {string} */ name) => existsSync(join(libDir, `lib${name}.so`));
  const cuda = present('torch_cuda');
  const names = ['torch', 'torch_cpu', 'c10', ...(cuda ? ['torch_cuda', 'c10_cuda'] : [])].filter(present);
  const blasDir = join(libDir, 'openblas-openmp');
  return {
    source,
    prefix,
    includeDirs: [include, join(include, 'torch/csrc/api/include')],
    libDir,
    libraries: names.map((name) => join(libDir, `lib${name}.so`)),
    version,
    cuda,
    cxx11Abi: hasCxx11Abi(join(libDir, 'libc10.so')),
    // OpenBLAS' pthread flavour, Debian's default, fights libtorch's OpenMP threads: linear layers are 3x slower with it.
    ...(prefix === '/usr' && existsSync(blasDir) ? { blasDir } : {}),
  };
}

/**
 * @param {string} prefix
 * @param {string} libDir
 */
function versionOf(prefix, libDir) {
  /** @type {(() => string | undefined)[]} */
  const witnesses = [
    // Debian's own files inside say 1.13.0 where the package is 1.13.1.
    () => (prefix === '/usr' ? capture('dpkg-query', ['-W', '-f', '${Version}', 'libtorch-dev']).stdout : undefined),
    () => read(join(prefix, 'build-version')),
    () => /__version__ = '([^']+)'/.exec(read(join(prefix, 'version.py')))?.[1],
    () => /\d.*/.exec(basename(realpathSync(join(libDir, 'libtorch_cpu.so'))).replace(/^libtorch_cpu\.so\.?/, ''))?.[0],
    () =>
      /TORCH_VERSION[\s\\]+"([^"]+)"/.exec(read(join(prefix, 'include/torch/csrc/api/include/torch/version.h')))?.[1],
  ];
  for (const witness of witnesses) {
    const version = /^\d+\.\d+(\.\d+)?/.exec(witness()?.trim() ?? '')?.[0];
    if (version) return version;
  }
  return 'unknown';
}

/**
 * Looks at how the constructors of `c10::Error`, which take a string, are mangled.
 * @param {string} libc10
 */
function hasCxx11Abi(libc10) {
  if (!existsSync(libc10)) return true;
  const symbols = readFileSync(libc10, 'latin1');
  if (/_ZN3c105ErrorC[12]ENS_14SourceLocationESs/.test(symbols)) return false;
  return symbols.includes('__cxx11');
}

/** @param {string} file */
function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

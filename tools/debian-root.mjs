// Runs the whole suite on another Debian than this machine's: makes a root of it with debootstrap, puts a clean clone and the npm
// packages into it, and runs `.ci/run` there, which installs that Debian's libtorch and builds against it. Takes root, about
// 4 GB and half an hour; what is not committed is left out.
//   npm run prove:debian13
//   node tools/debian-root.mjs [--suite trixie] [--node debian|host] [--folder DIR] [--bench [PART ...]] [-- COMMAND ...]
// --node host takes this machine's Node in place of that Debian's; --folder keeps the root there, and the next run goes on with
// it; a COMMAND runs in place of `bash .ci/run`. --bench runs `npm run bench` there, or parts of it, beside that Debian's python3-torch.
//
// Nothing of this machine is mounted into the root. Its own /proc and /dev/shm are mounted in a namespace that ends with the
// processes in it, so no mount and no process can be left behind, whichever way this ends. The Debian mirror is the one that this
// machine's apt uses.

import { spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { root } from './paths.mjs';
import { capture, which } from './processes.mjs';
import { runTool, ToolError } from './tool-error.mjs';

const nodes = /** @type {const} */ (['debian', 'host']);
const clone = '/root/retort';

/** What --bench runs, with the parts as arguments: what benching needs, then the bench. */
const bench = [
  'set -eu',
  'node tools/setup.mjs --for start',
  'dpkg-query -W python3-torch > /dev/null 2>&1 || DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends python3-torch > /root/apt.log 2>&1',
  'exec node bench/run.mjs "$@"',
].join('\n');

/** What of this machine's environment holds in the root as well: how much of the machine to use. */
const inherited = /^(OMP_|OPENBLAS_|CMAKE_BUILD_PARALLEL_LEVEL$|RETORT_THREADS$|RETORT_TUNE_BLAS$)/;

/** @throws {ToolError} where this cannot work */
function requireTools() {
  if (process.getuid?.() !== 0) throw new ToolError('making a Debian root takes root', 'run it as root, or with sudo');
  const missing = ['debootstrap', 'unshare', 'chroot', 'git'].filter((name) => !which(name));
  if (missing.length > 0) {
    throw new ToolError(
      `these programs are missing: ${missing.join(', ')}`,
      'apt-get install debootstrap util-linux coreutils git',
    );
  }
  if (!existsSync(join(root, 'node_modules/.package-lock.json')))
    throw new ToolError('node_modules is missing: the root takes the npm packages from it', 'npm ci');
}

/** @returns {string} the Debian mirror that this machine's apt uses */
function debianMirror() {
  const format = '$(ORIGIN) $(COMPONENT) $(SITE)';
  const { stdout } = capture('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const sites = stdout.split('\n').map((line) => /^Debian main (\S+)$/.exec(line)?.[1]);
  const site = sites.find((name) => name !== undefined && !name.includes('security'));
  if (site) return site;
  throw new ToolError("this machine's apt names no Debian mirror", 'run `apt-get update` on a Debian machine first');
}

/** This machine's proxies of apt, in apt's own words. */
function aptProxies() {
  const lines = capture('apt-config', ['dump']).stdout.split('\n');
  return lines.filter((line) => /^Acquire::https?::Proxy\b/.test(line)).join('\n');
}

let stop = () => {};

/**
 * Runs a program in namespaces of its own for mounts and processes: when it ends, or this process does, all of it is gone.
 * @param {string[]} command
 * @returns {Promise<number>} its status
 */
function isolated(command) {
  const args = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private', '--', ...command];
  const child = spawn('unshare', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  stop = () => child.kill('SIGKILL'); // unshare itself ignores Ctrl-C
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (status) => done(status ?? 130));
  });
}

/**
 * @param {string} folder
 * @param {string} suite
 */
async function bootstrap(folder, suite) {
  const mirror = debianMirror();
  console.log(`debian-root: making a root of ${suite} in ${folder} from this machine's Debian mirror ...`);
  const include = '--include=ca-certificates,git,nodejs';
  const status = await isolated(['debootstrap', '--variant=minbase', include, suite, folder, mirror]);
  if (status !== 0)
    throw new ToolError(`debootstrap ended with status ${status}`, `its log: ${folder}/debootstrap/debootstrap.log`);
  for (const file of ['/etc/resolv.conf', '/etc/hosts']) if (existsSync(file)) copyFileSync(file, join(folder, file));
  writeFileSync(join(folder, 'etc/apt/apt.conf.d/99proxy'), aptProxies());
  writeFileSync(join(folder, 'etc/retort-root'), suite);
}

/**
 * Puts a clean clone, the npm packages, npm and, if wanted, this machine's Node into the root.
 * @param {string} folder
 * @param {'debian' | 'host'} node
 */
function fill(folder, node) {
  const target = join(folder, clone);
  const build = join(target, 'build');
  const kept = join(folder, 'root/build');
  rmSync(kept, { recursive: true, force: true });
  if (existsSync(build)) cpSync(build, kept, { recursive: true, preserveTimestamps: true });
  rmSync(target, { recursive: true, force: true });
  const { ok, output } = capture('git', ['clone', '--quiet', '--no-hardlinks', root, target]);
  if (!ok) throw new ToolError(`git clone failed: ${output}`, `look at the repository in ${root}`);
  const changed = capture('git', ['-C', root, 'status', '--porcelain']).stdout.trim();
  if (changed !== '') console.log(`debian-root: what is not committed is left out:\n${changed}`);
  if (existsSync(kept)) cpSync(kept, build, { recursive: true, preserveTimestamps: true });
  cpSync(join(root, 'node_modules'), join(target, 'node_modules'), { recursive: true, verbatimSymlinks: true });

  // npm is JavaScript: this machine's serves any Node, where Debian's would bring 400 packages along.
  const npm = dirname(dirname(realpathSync(which('npm') ?? '')));
  const place = join(folder, 'usr/local/lib/node_modules/npm');
  rmSync(place, { recursive: true, force: true });
  cpSync(npm, place, { recursive: true, verbatimSymlinks: true });
  const bin = join(folder, 'usr/local/bin');
  for (const name of ['npm', 'npx']) {
    const script = `#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/${name}-cli.js "$@"\n`;
    writeFileSync(join(bin, name), script, { mode: 0o755 });
  }
  for (const name of ['bin/node', 'include/node'])
    rmSync(join(folder, 'usr/local', name), { recursive: true, force: true });
  if (node === 'debian') return;
  const headers = join(dirname(dirname(process.execPath)), 'include/node');
  copyFileSync(process.execPath, join(bin, 'node'));
  if (existsSync(headers)) cpSync(headers, join(folder, 'usr/local/include/node'), { recursive: true });
}

/**
 * @param {string} folder
 * @param {string[]} command
 * @returns {Promise<number>}
 */
function runInside(folder, command) {
  const settings = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    CI: 'true',
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => inherited.test(name))),
  };
  const script = [
    'set -eu',
    'cd "$1"; shift',
    'mount -t proc proc proc',
    'mount -t tmpfs tmpfs dev/shm',
    `exec chroot . /usr/bin/env -i -C ${clone} "$@"`,
  ].join('\n');
  const environment = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return isolated(['sh', '-c', script, 'sh', folder, ...environment, ...command]);
}

/** @param {{ suite: string, node: 'debian' | 'host', folder: string | undefined, command: string[], shown: string }} options */
async function prove({ suite, node, folder, command, shown }) {
  const place = folder ?? mkdtempSync(join(tmpdir(), `retort-${suite}-`));
  try {
    mkdirSync(place, { recursive: true });
    const made = existsSync(join(place, 'etc/retort-root')) ? readFileSync(join(place, 'etc/retort-root'), 'utf8') : '';
    if (made !== '' && made !== suite)
      throw new ToolError(`${place} is a root of ${made}`, `name another --folder for ${suite}`);
    if (made === '') await bootstrap(place, suite);
    fill(place, node);
    const status = await runInside(place, ['bash', '-c', 'cat /etc/debian_version; node --version', '']);
    console.log(`debian-root: running ${shown} inside ...`);
    process.exitCode = status === 0 ? await runInside(place, command) : status;
    console.log(`debian-root: it ended with status ${process.exitCode}`);
  } finally {
    // Mounts exist only in the namespace, which is gone. Were it otherwise, this machine's own files could be below.
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${place}/`);
    if (folder === undefined && !mounted) rmSync(place, { recursive: true, force: true });
  }
}

runTool('debian-root', () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      suite: { type: 'string' },
      node: { type: 'string' },
      folder: { type: 'string' },
      bench: { type: 'boolean' },
    },
  });
  const node = nodes.find((name) => name === (values.node ?? 'debian'));
  if (!node) throw new ToolError(`--node ${values.node}: expected ${nodes.join(' or ')}`, 'node tools/debian-root.mjs');
  requireTools();
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => stop());
  const folder = values.folder === undefined ? undefined : resolve(values.folder);
  const command =
    values.bench === true
      ? ['bash', '-c', bench, 'bench', ...positionals]
      : positionals.length > 0
        ? positionals
        : ['bash', '.ci/run'];
  const shown = values.bench === true ? ['the bench', ...positionals].join(' ') : command.join(' ');
  return prove({ suite: values.suite ?? 'trixie', node, folder, command, shown });
});

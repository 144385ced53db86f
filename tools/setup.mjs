// Brings a machine from bare to ready: Debian packages, npm packages, the native addon, dist/. Does only what is missing and
// says what before doing it; interrupted at any point, the next run finishes. `--for use` is for the installed package, as
// `retort setup`: an addon that was built before is taken from the user's cache.
//   node tools/setup.mjs --for start|test|use [--dry-run] [--bare]
// --dry-run prints the commands instead of running them; --bare, with it, takes everything for missing.

import { existsSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { installPackages } from './apt.mjs';
import { buildDist } from './build-dist.mjs';
import { buildNative } from './build-native.mjs';
import { buildInstalled, findBuilt, takeBuilt } from './installed-addon.mjs';
import { findLibtorch, untestedNote } from './libtorch.mjs';
import { areNpmPackagesInstalled, installedLock } from './npm-packages.mjs';
import { addonFile, root } from './paths.mjs';
import { capture, commandLine, which } from './processes.mjs';
import { requireNode, requirePlatform, requirements } from './requirements.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @typedef {import('./requirements.mjs').Purpose} Purpose */

/**
 * @param {Purpose} purpose
 * @param {{ dryRun: boolean, bare: boolean }} mode
 */
function setup(purpose, { dryRun, bare }) {
  requirePlatform();
  requireNode();
  /** @type {import('./apt.mjs').Runner} */
  const run = (message, command) => {
    console.log(`setup: ${message} ...${dryRun ? `\n  $ ${commandLine(command)}` : ''}`);
    return dryRun ? { ok: true, output: '' } : capture(command[0] ?? '', command.slice(1), { cwd: root });
  };

  const found = bare ? undefined : findLibtorch().libtorch;
  const built = found && purpose === 'use' ? findBuilt(found) : undefined;
  const lacking = requirements(purpose, found).filter(({ present }) => bare || !present);
  const missing = lacking.filter(({ optional }) => optional !== true);
  if (missing.length > 0 && built === undefined) supply(missing, run);
  // Once, when the addon that would use it is built: a machine that cannot have it is not asked each time.
  const extra = lacking.filter(({ optional }) => optional === true);
  if (extra.length > 0 && which('apt-get') && (bare || (built === undefined && !existsSync(addonFile))))
    offer(extra, run);
  const libtorch = missing.length > 0 && built === undefined && !dryRun ? verify(purpose) : found;
  if (purpose !== 'use' && (bare || !areNpmPackagesInstalled())) installNpmPackages(run, dryRun);
  if (dryRun) {
    console.log(
      `setup: then ${purpose === 'use' ? 'the native addon is' : 'the native addon and dist/ are'} built, unless up to date`,
    );
    return;
  }

  if (!libtorch) throw new Error('libtorch is a requirement, and all of them are met');
  const note = untestedNote(libtorch);
  if (note !== undefined) console.log(`setup: ${note}; going on with it`);
  if (built !== undefined) takeBuilt(built);
  else if (purpose === 'use') buildInstalled(libtorch);
  else buildNative({ libtorch });
  if (purpose !== 'use') buildDist();
  console.log(
    `setup: ready (libtorch ${libtorch.version}${libtorch.cuda ? ' with CUDA' : ''}, Node ${process.versions.node})`,
  );
  if (process.env['RETORT_ADDON'])
    console.log(`setup: RETORT_ADDON is set: ${process.env['RETORT_ADDON']} is used in its place`);
}

/**
 * @param {import('./requirements.mjs').Requirement[]} missing
 * @param {import('./apt.mjs').Runner} run
 */
function supply(missing, run) {
  if (!which('apt-get')) {
    throw new ToolError(
      `missing on this machine: ${missing.map(({ name }) => name).join(', ')}; there is no apt-get to install them with`,
      ['provide these, then try again:', ...missing.map(({ name, otherwise }) => `- ${name}: ${otherwise}`)].join(
        '\n    ',
      ),
    );
  }
  installPackages(
    missing.map(({ debianPackage }) => debianPackage),
    run,
  );
}

/**
 * Installs what is good to have; where that fails it says so and goes on.
 * @param {import('./requirements.mjs').Requirement[]} extra
 * @param {import('./apt.mjs').Runner} run
 */
function offer(extra, run) {
  for (const { name, debianPackage } of extra) {
    try {
      installPackages([debianPackage], run);
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      console.log(`setup: going on without ${name}: ${error.message.split('\n')[0]}`);
    }
  }
}

/**
 * Looks again after an installation.
 * @param {Purpose} purpose
 */
function verify(purpose) {
  const { libtorch } = findLibtorch();
  const missing = requirements(purpose, libtorch).filter(({ present, optional }) => !present && optional !== true);
  if (missing.length === 0) return libtorch;
  const packages = missing.map(({ debianPackage }) => debianPackage).join(' ');
  throw new ToolError(
    `apt-get reported success, yet these are missing: ${missing.map(({ name }) => name).join(', ')}`,
    `when their files were removed by hand, run as root: apt-get install --reinstall ${packages}`,
  );
}

/**
 * @param {import('./apt.mjs').Runner} run
 * @param {boolean} dryRun
 */
function installNpmPackages(run, dryRun) {
  const command = ['npm', 'ci', '--no-fund', '--no-audit', '--loglevel=error'];
  if (!dryRun) rmSync(installedLock, { force: true });
  const { ok, output } = run('installing the npm packages of package-lock.json', command);
  if (ok) return;
  const [reason] = output.split('\nnpm error Clean install a project');
  throw new ToolError(
    `\`${commandLine(command)}\` failed:\n${reason}`,
    'when the machine is offline, connect it and try again; when package.json and package-lock.json differ, run ' +
      '`npm install && node tools/complete-lock.mjs`',
  );
}

// Whoever counts tests by the last line of `npm test` is to find one.
process.on('exit', (status) => {
  if (status !== 0 && process.argv.includes('test')) console.log('0 passed, 1 failed');
});

runTool('setup', () => {
  const { values } = parseArgs({
    options: { for: { type: 'string' }, 'dry-run': { type: 'boolean' }, bare: { type: 'boolean' } },
  });
  const purpose = ['start', 'test', 'use'].find((name) => name === values.for);
  const dryRun = values['dry-run'] ?? false;
  if (!purpose || (values.bare && !dryRun)) {
    throw new ToolError(
      purpose ? '--bare goes with --dry-run' : `--for ${values.for ?? '(nothing)'}: expected start, test or use`,
      'node tools/setup.mjs --for start|test|use [--dry-run [--bare]]',
    );
  }
  setup(/** @type {Purpose} */ (purpose), { dryRun, bare: values.bare ?? false });
});

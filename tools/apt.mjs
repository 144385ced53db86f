// Debian packages through apt-get: as root or with a sudo that asks no password; otherwise the one command to type.

import { capture, commandLine, which } from './processes.mjs';
import { ToolError } from './tool-error.mjs';

/** @typedef {(message: string, command: string[]) => { ok: boolean, output: string }} Runner announces a command and runs it */

/**
 * The command that installs packages, as a person would type it.
 * @param {string[]} packages
 */
export function installCommand(packages) {
  const sudo = which('sudo') && process.getuid?.() !== 0 ? 'sudo ' : '';
  return `${sudo}apt-get update && ${sudo}apt-get install --no-install-recommends ${packages.join(' ')}`;
}

/**
 * Installs packages. One that was interrupted before is finished first; package lists are fetched only when they lack one
 * of the packages or turn out to be too old.
 * @param {string[]} packages
 * @param {Runner} run
 * @throws {ToolError} without the right to, or when apt-get fails
 */
export function installPackages(packages, run) {
  const prefix = asRoot();
  if (!prefix) {
    throw new ToolError(
      `these Debian packages are missing: ${packages.join(', ')}; installing them takes root`,
      `run this as root, then try again: ${installCommand(packages)}`,
    );
  }
  const apt = (/** @type {string[]} */ ...args) => [
    ...prefix,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-qq',
    '-o',
    'DPkg::Lock::Timeout=300',
    ...args,
  ];
  const must = (/** @type {string} */ message, /** @type {string[]} */ command) => {
    const { ok, output } = run(message, command);
    if (!ok) {
      const tail = output.split('\n').slice(-20).join('\n');
      throw new ToolError(
        `\`${commandLine(command)}\` failed:\n${tail}`,
        `when the machine is offline, connect it and try again; by hand: ${installCommand(packages)}`,
      );
    }
  };

  if (capture('dpkg', ['--audit']).stdout !== '') {
    const message = 'finishing an installation that was interrupted';
    if (!run(message, [...prefix, 'dpkg', '--configure', '-a']).ok)
      must(message, apt('install', '--yes', '--fix-broken'));
  }
  const update = () => must('fetching the lists of Debian packages', apt('update'));
  const env = { ...process.env, LC_ALL: 'C' };
  const policies = packages.map((name) => capture('apt-cache', ['policy', name], { env }).stdout);
  const isKnown = policies.every((policy) => /Candidate: \d/.test(policy));
  if (!isKnown) update();
  const install = apt('install', '--yes', '--no-install-recommends', ...packages);
  const message = `installing ${packages.join(', ')} with apt-get (this can take some minutes)`;
  if (isKnown) {
    if (run(message, install).ok) return;
    update();
  }
  must(message, install);
}

/** @returns {string[] | undefined} what to put before a command to run it as root; undefined when that takes a password */
function asRoot() {
  if (process.getuid?.() === 0) return [];
  return which('sudo') && capture('sudo', ['-n', 'true']).ok ? ['sudo', '-n'] : undefined;
}

// Running other programs, one after the other. Ctrl-C reaches the child and the tool alike; the tool waits for the child to
// clean up behind itself, and only then ends: nothing goes on in the background.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

let interrupted = false;

/** Whether Ctrl-C was pressed while a program ran; known a turn or two of the event loop after it has ended. */
export function wasInterrupted() {
  return interrupted;
}

/**
 * The file that a program's name stands for, as a shell would find it.
 * @param {string} program
 * @returns {string | undefined}
 */
export function which(program, path = process.env['PATH'] ?? '') {
  for (const folder of program.includes('/') ? [''] : path.split(delimiter)) {
    const file = folder === '' ? program : join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/**
 * Runs a program to its end and keeps what it printed.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {{ ok: boolean, stdout: string, stderr: string, output: string }} `output` is both streams; of a program
 * that could not be started or was killed it says why
 */
export function capture(program, args, options = {}) {
  if (process.listenerCount('SIGINT') === 0) process.on('SIGINT', () => (interrupted = true));
  const result = spawnSync(program, args, {
    ...options,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  });
  if (result.signal === 'SIGINT') {
    console.error('interrupted; the same command takes up from here');
    process.exit(130);
  }
  const stdout = result.stdout ?? '';
  const stderr = result.stderr ?? '';
  let output = `${stdout}${stderr}`.trimEnd();
  if (result.error) output += `${program}: ${result.error.message}`;
  else if (result.signal) output += `\n${program} was ended by ${result.signal}`;
  return { ok: result.status === 0, stdout, stderr, output };
}

/**
 * A command as one would type it.
 * @param {string[]} command the program and its arguments
 */
export function commandLine(command) {
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}

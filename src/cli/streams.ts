// What the commands print. Output that nobody reads any more (`| head`, a closed terminal), or that its disk has no room for, never
// ends a command: training goes on, and everything else ends as it would have.
import pc from 'picocolors';

import { appendText } from '../files.ts';

let training = false;

/** From now on lost output is no reason to fail: what counts is what is written into the run's folder. */
export function goOnWithoutOutput(): void {
  training = true;
}

/** Takes over the errors of the standard streams. Called once, before anything is printed. */
export function guardStreams(): void {
  let said = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (said) return;
    said = true;
    const readerGone = error.code === 'EPIPE';
    if (training) {
      note(
        `standard output ${readerGone ? 'is closed' : `cannot be written (${error.code})`}: training goes on without it`,
      );
    } else if (!readerGone) {
      process.stderr.write(`${pc.red('error')} standard output cannot be written: ${error.message}\n`);
      process.exitCode = 1;
    }
  });
  process.stderr.on('error', () => undefined); // there is nobody left to tell
}

/** A line on standard output. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Texts of a file in a line, without what a terminal would take for commands. */
export function harmless(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}

/** A remark on standard error. */
function note(text: string): void {
  process.stderr.write(`${pc.yellow('note')} ${text}\n`);
}

/** A line that must be seen: on standard output, or where that is gone on standard error, or on the terminal itself. */
export function sayForSure(text: string): void {
  process.stdout.write(`${text}\n`, (lost) => {
    if (lost) process.stderr.write(`${text}\n`, (both) => void (both && onTerminal(`${text}\n`)));
  });
}

function onTerminal(text: string): void {
  try {
    appendText('/dev/tty', text);
  } catch {
    // there is none: the run's folder says the rest
  }
}

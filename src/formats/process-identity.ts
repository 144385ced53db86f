// Which process made something: its number, and the time it started, which tells it from a later process of the same number.
import { readText } from '../files.ts';

export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since the machine started, as Linux has it; undefined where that is not to be had. */
  start: string | undefined;
}

let own: ProcessIdentity | undefined;

export function thisProcess(): ProcessIdentity {
  own ??= { pid: process.pid, start: seen(process.pid)?.start };
  return own;
}

/** Whether that very process runs on this machine. One that has ended and not been waited for does not. */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false; // EPERM: another user's
  }
  const found = seen(pid);
  if (found === undefined) return true; // no /proc here, or it shows a user's own processes only
  return !found.ended && (start === undefined || found.start === start);
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function seen(pid: number): { start: string | undefined; ended: boolean } | undefined {
  let text: string;
  try {
    text = readText(`/proc/${pid}/stat`);
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' '); // the name, in parentheses, may hold anything
  return { start: fields[19], ended: fields[0] === 'Z' || fields[0] === 'X' };
}

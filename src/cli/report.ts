// What a person sees of an error: of a mistake of theirs or of the machine the message with what to do, of an error in their own
// files its place, of a fault of Retort that it is one. The stack is shown with RETORT_DEBUG=1.
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

import pc from 'picocolors';

import { RetortError } from '../errors.ts';

/** Exit codes of the command; after a signal it is 128 and the signal's number. See docs/algorithms.md. */
const exitCodes = { failed: 1, fault: 70 } as const;

/** Prints an error. Returns the exit code. */
export function reportError(error: unknown): number {
  const debug = (process.env['RETORT_DEBUG'] ?? '') !== '';
  const { text, code } = described(error);
  process.stderr.write(`${pc.red('error')} ${text}\n`);
  if (debug) process.stderr.write(`${stackOf(error)}\n`);
  else if (!(error instanceof RetortError)) process.stderr.write('  RETORT_DEBUG=1 shows the stack of calls\n');
  return code;
}

function described(error: unknown): { text: string; code: number } {
  // Names from files may be in it: without what a terminal would take for commands.
  if (error instanceof RetortError)
    return { text: error.message.replaceAll(/[^\P{Cc}\n\t]/gu, '?'), code: exitCodes.failed };
  const place = placeOf(error);
  if (place !== undefined) return { text: `${place}: ${named(error)}`, code: exitCodes.failed };
  if (isImportError(error)) return { text: named(error), code: exitCodes.failed };
  return {
    text: `${named(error)}\n  this is a fault of Retort: please report it, with what you did and the stack of calls`,
    code: exitCodes.fault,
  };
}

/** Something that a person's file imports is not there, or is not JavaScript; Node's message says which, and no call is Retort's. */
function isImportError(error: unknown): boolean {
  if (!(error instanceof Error)) return true; // Retort throws none
  const { requireStack } = error as { requireStack?: readonly string[] };
  const [, from = requireStack?.[0]] = /imported from (\/\S+)/.exec(error.message) ?? [];
  return from === undefined ? error instanceof SyntaxError && !error.stack?.includes(`${root}dist`) : isOwn(from);
}

/** `TypeError: x is no function`, in one line. */
function named(error: unknown): string {
  if (!(error instanceof Error)) return `thrown: ${typeof error === 'string' ? error : JSON.stringify(error)}`;
  const [, syntax] = /:\d+:\d+: ERROR: (.*)/.exec(error.message) ?? []; // of esbuild, which reads TypeScript
  if (syntax !== undefined) return `SyntaxError: ${syntax}`;
  const message = error.message.split('\n').find((line) => line.trim() !== '') ?? '';
  return error.name === 'Error' ? message : `${error.name}: ${message}`;
}

function stackOf(error: unknown): string {
  const causes: string[] = [];
  for (let one = error; one !== undefined && one !== null; one = one instanceof Error ? one.cause : undefined) {
    causes.push(one instanceof Error ? (one.stack ?? one.message) : JSON.stringify(one));
  }
  return causes.join('\ncaused by ');
}

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Files of the repository that are used as a person's own would be. */
const examples = ['recipes', 'examples'].map((folder) => `${root}${folder}${sep}`);

const isOwn = (file: string): boolean => !file.startsWith(root) || examples.some((folder) => file.startsWith(folder));
/** A package: who called it is the one to look at. */
const isPackage = (file: string): boolean =>
  (file.startsWith(root) ? file.slice(root.length - 1) : file).includes(`${sep}node_modules${sep}`);

/** The place in a person's own file that an error comes from: the innermost call outside Node, unless that is in Retort. */
function placeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  for (const [, url, encoded = '', line, column] of (error.stack ?? '').matchAll(calls)) {
    const file = url === undefined ? encoded : decodeURI(encoded);
    if (isPackage(file)) continue;
    if (!isOwn(file)) return undefined;
    const shown = relative('.', file);
    return `${shown.startsWith('..') ? file : shown}:${line}${column === undefined ? '' : `:${column}`}`;
  }
  return undefined;
}

/** `/path:line:column` and `file:///path:line:column`, in calls and at the beginning of lines. */
const calls = /(?<=^|[\s(])(file:\/\/)?(\/[^\n:()]+?)(?:\?[^\n:()]*)?:(\d+)(?::(\d+))?/gm;

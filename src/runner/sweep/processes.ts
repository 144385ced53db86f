// The processes of a sweep: each cell has one of its own, so that its memory and its time are its own, and what ends it ends no other.
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { trainedIn } from '../../engine/index.ts';
import type { CellMessage, CellTask } from './cell-messages.ts';

/** How the process of a cell ended. */
export type CellEnd = { kind: 'done' } | { kind: 'stopped' } | { kind: 'failed'; message: string };

/** A process of a cell that runs. */
export interface CellProcess {
  readonly ended: Promise<CellEnd>;
  /** Asks it to save and end. */
  stop(): void;
}

/** Starts the process of a cell. @param threads of an operator in it; default: as many as other programs leave cores */
export function startCell(
  task: CellTask,
  { threads, onMessage }: { threads: number | undefined; onMessage: (message: CellMessage) => void },
): CellProcess {
  const own = fileURLToPath(import.meta.url);
  const kind = extname(own);
  const child = fork(fileURLToPath(new URL(`./cell-process${kind}`, import.meta.url)), [], {
    // In its own session: Ctrl-C reaches it through the sweep, once.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: kind === '.ts' ? ['--import', pathToFileURL(createRequire(own).resolve('tsx')).href] : process.execArgv,
    env: { ...(threads === undefined ? {} : { RETORT_THREADS: String(threads) }), ...process.env },
  });
  let said = '';
  let last: CellMessage | undefined;
  child.stderr!.on('data', (chunk: Buffer) => (said = (said + String(chunk)).slice(-4000)));
  child.on('message', (message: CellMessage) => {
    if (message.kind === 'step') onMessage(message);
    else last = message;
  });
  const ended = new Promise<CellEnd>((resolve) => {
    child.on('error', (error) => resolve({ kind: 'failed', message: `it cannot be started: ${error.message}` }));
    child.on('close', (code, signal) => {
      if (last?.kind === 'end') resolve({ kind: last.stopped ? 'stopped' : 'done' });
      else if (last?.kind === 'failed') resolve({ kind: 'failed', message: last.message });
      else resolve({ kind: 'failed', message: endInWords(code, signal, said.trim()) });
    });
  });
  child.send(task, () => undefined);
  return { ended, stop: () => void child.kill('SIGTERM') };
}

function endInWords(code: number | null, signal: NodeJS.Signals | null, said: string): string {
  const lines = said.split('\n');
  const line = lines.find((one) => /\b(\w*Error|terminate|fatal)\b/i.test(one)) ?? lines.at(-1)!;
  const tail = line === '' ? '' : `: ${line.trim()}`;
  if (signal === 'SIGKILL') return `its process was killed (SIGKILL): perhaps the machine has no memory left${tail}`;
  return `its process ended with ${signal ?? `exit code ${code}`}${tail}`;
}

/** Milliseconds between two looks at a folder that another process trains in, and how long it is waited for. */
const [lookEvery, longest] = [200, 600_000];

/**
 * Waits for a process that still trains in a folder: that of a sweep which was killed saves and ends by itself.
 * @param say is told once, where that takes longer
 */
export async function waitForFolder(folder: string, signal: AbortSignal | undefined, say: () => void): Promise<void> {
  for (let waited = 0; waited < longest && trainedIn(folder) === 'here'; waited += lookEvery) {
    if (signal?.aborted === true) return;
    if (waited === 5 * lookEvery) say();
    await new Promise((resolve) => void setTimeout(resolve, lookEvery));
  }
}

// `--processes N`: the same command in N processes of this machine, which find each other through the environment.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { availableParallelism, constants } from 'node:os';

import { exitCodeOf, stopSignals } from './interrupt.ts';

/**
 * Runs `retort ARGS` in `count` processes; the first one has the terminal. The first signal to this
 * process goes to all, which save and end; the second ends them at once. Where one fails, what it said (or how it ended) is shown,
 * once, and the others are ended. Returns the exit code.
 */
export async function runInProcesses(count: number, args: readonly string[]): Promise<number> {
  const port = await freePort();
  const threads = process.env['RETORT_THREADS'] ?? String(Math.max(1, Math.floor(availableParallelism() / count)));
  const shared = { WORLD_SIZE: String(count), MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(port) };
  const children = Array.from({ length: count }, (_, rank) =>
    // In sessions of their own: Ctrl-C reaches them through this process, once.
    spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
      env: { ...process.env, ...shared, RANK: String(rank), RETORT_THREADS: threads },
      stdio: rank === 0 ? ['inherit', 'inherit', 'pipe', 'ipc'] : ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true,
    }),
  );
  // The first signal lets them finish their step and save; one that hangs would not hear it, so a second one ends them all. A
  // terminal that closes sends more than one.
  let asked = 0;
  const forward = (signal: NodeJS.Signals): void => {
    const again = signal !== 'SIGHUP' && ++asked > 1;
    children.forEach((child) => void child.kill(again ? 'SIGKILL' : signal));
  };
  for (const signal of stopSignals) process.on(signal, forward);
  const said = children.map(collect);
  children[0]!.stderr!.pipe(process.stderr, { end: false });
  let failed: number | undefined;
  const codes = await Promise.all(
    children.map(async (child, rank) => {
      const { code, inOrder } = await ended(child);
      if (inOrder || failed !== undefined) return code;
      failed = rank;
      setTimeout(() => children.forEach((other) => void other.kill('SIGKILL')), grace).unref();
      return code;
    }),
  );
  for (const signal of stopSignals) process.off(signal, forward);
  if (failed === undefined) return Math.max(...codes);
  // Those that only lost another process are not the ones to listen to.
  const texts = said.map((text) => text());
  const spoke = texts.findIndex((text, rank) => codes[rank] !== 0 && text !== '' && !lostAnother.test(text));
  const culprit = spoke === -1 ? failed : spoke;
  const reason = texts[culprit] === '' || culprit !== spoke ? endOf(codes[culprit]!, asked > 0) : texts[culprit]!;
  if (!texts[0]!.includes(reason)) process.stderr.write(`process ${culprit} of ${count}: ${reason}\n`);
  return codes[failed]!;
}

/** How a process ended that said nothing. */
function endOf(code: number, stopping: boolean): string {
  const signal = Object.entries(constants.signals).find(([, number]) => code === 128 + number)?.[0];
  if (signal === undefined) return `ended with exit code ${code}`;
  if (signal !== 'SIGKILL' || stopping) return `was ended by ${signal}`;
  return 'was killed (SIGKILL): perhaps the machine has no memory left; the last checkpoint is whole, --resume goes on from it';
}

/** How `ProcessGroup` says that another process has gone. */
const lostAnother = /lost another one/;

/** Milliseconds that the others have, when one has failed, to say what went wrong with them. */
const grace = 1000;

/** What a run that was asked to stop ends with. */
const stopped = stopSignals.map(exitCodeOf);

/** In a process of {@link runInProcesses}: ends the run in good order when the one that started it is gone. */
export function stopWithParent(): void {
  if (process.channel === undefined) return;
  process.stderr.on('error', () => undefined); // it leads to that process
  process.once('disconnect', () => void process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

/** A port of this machine that is free. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => void server.close(done));
  return port;
}

function collect({ stderr }: ChildProcess): () => string {
  let text = '';
  stderr?.on('data', (chunk: Buffer) => (text = (text + String(chunk)).slice(-20_000)));
  return () => text.trim();
}

/** The exit code of a process, and whether it is that of one that has done its work, or has saved because it was asked to stop. */
function ended(child: ChildProcess): Promise<{ code: number; inOrder: boolean }> {
  return new Promise((done) => {
    child.on('error', () => done({ code: 1, inOrder: false }));
    child.on('close', (code, signal) => {
      if (code === null) done({ code: exitCodeOf(signal!), inOrder: false });
      else done({ code, inOrder: code === 0 || stopped.includes(code) });
    });
  });
}

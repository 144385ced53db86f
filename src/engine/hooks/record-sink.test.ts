// Sinks of records: in order, one at a time, tried again when they fail, given up when the run is over.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, expect, it, vi } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import type { MetricsRecord } from '../metrics-file.ts';
import { buildHook, LoggerHook } from './index.ts';
import type { Run } from './index.ts';
import { RecordSender } from './record-sink.ts';
import type { RecordSink } from './record-sink.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const record = (step: number): MetricsRecord => ({ kind: 'step', step }) as MetricsRecord;
const said: string[] = [];
function sender(sink: RecordSink): RecordSender {
  said.length = 0;
  return new RecordSender(sink, { workDir: 'runs/kd' }, (text) => void said.push(text));
}

it('a function gets each record at once, in order, with the folder of its run', async () => {
  const seen: unknown[] = [];
  const one = sender(({ step }, { workDir }) => void seen.push([step, workDir]));
  one.send(record(1));
  expect(seen).toEqual([[1, 'runs/kd']]);
  one.send(record(2));
  await one.end();
  expect(seen).toEqual([1, 2].map((step) => [step, 'runs/kd']));
  expect(said).toEqual([]);
});

it('of an asynchronous function one call is under way at a time, and the last is waited for', async () => {
  const seen: string[] = [];
  const one = sender(async ({ step }) => {
    seen.push(`begin ${step}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
    seen.push(`end ${step}`);
  });
  for (const step of [1, 2, 3]) one.send(record(step));
  await one.end();
  expect(seen).toEqual([1, 2, 3].flatMap((step) => [`begin ${step}`, `end ${step}`]));
});

it.each(['throws', 'rejects', 'gives what is awaited and rejects'])(
  'a function that %s is said once and tried again, later and later, nothing lost',
  async (how) => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    let broken = true;
    const tried: number[] = [];
    const taken: number[] = [];
    const one = sender(({ step }) => {
      tried.push(step);
      if (!broken) return void taken.push(step);
      if (how === 'rejects') return Promise.reject(new Error('no tracker'));
      // As query builders do, whose objects are no promises of Node's.
      // oxlint-disable-next-line unicorn/no-thenable
      if (how !== 'throws') return { then: (_: unknown, no: (error: Error) => void) => no(new Error('no tracker')) };
      throw new Error('no tracker');
    });
    const at = async (ms: number, step: number): Promise<void> => {
      clock.mockReturnValue(ms);
      one.send(record(step));
      await new Promise((resolve) => setImmediate(resolve));
    };
    await at(0, 1);
    await at(500, 2); // too early
    expect(tried).toEqual([1]);
    await at(1000, 3);
    await at(2500, 4); // too early: 2 s now
    expect(tried).toEqual([1, 1]);
    expect(said).toEqual([
      expect.stringMatching(/^note: records cannot be sent to the sink: no tracker: training goes on/),
    ]);
    broken = false;
    await at(3000, 5);
    expect(taken).toEqual([1, 2, 3, 4, 5]);
    expect(said.slice(1)).toEqual(['note: the sink takes records again']);
    await one.end();
    expect(said).toHaveLength(2);
  },
);

it('what a sink has not taken in the end is counted, the oldest of too many too', async () => {
  const one = sender(() => {
    throw new Error('never');
  });
  for (let step = 1; step <= 10_005; step++) one.send(record(step));
  await one.end();
  expect(said.at(-1)).toBe('note: 10005 records were not taken by the sink; metrics.jsonl has them');
});

it('an endpoint gets JSON, in requests of several records, again where it fails', async () => {
  const requests: { run: string; steps: number[]; token: unknown }[] = [];
  let status = 503;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => (body += piece));
    request.on('end', () => {
      const { run, records } = JSON.parse(body) as { run: string; records: MetricsRecord[] };
      if (status === 200)
        requests.push({ run, steps: records.map(({ step }) => step), token: request.headers['x-token'] });
      response.writeHead(status, { connection: 'close' }).end('x'.repeat(100));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
    const one = sender({ url, headers: { 'x-token': 'secret' } });
    one.send(record(1));
    one.send(record(2));
    await vi.waitFor(() => expect(said).toEqual([expect.stringContaining(`${url}: it answered 503`)]));
    status = 200;
    one.send(record(3));
    await one.end();
    expect(requests).toEqual([{ run: 'runs/kd', steps: [1, 2, 3], token: 'secret' }]);
    expect(said.slice(1)).toEqual([`note: ${url} takes records again`]);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

it('LoggerHook sends the steps that its log has, and every evaluation', async () => {
  const seen: string[] = [];
  const hook = new LoggerHook({ interval: 2, sink: ({ kind, step }) => void seen.push(`${kind} ${step}`) });
  const run = {
    workDir: undefined,
    position: { epoch: 0, step: 0 },
    stepsPerEpoch: 5,
    progress: { step() {}, line() {} },
  };
  hook.beforeRun(run as unknown as Run);
  for (let step = 1; step <= 5; step++) {
    hook.afterStep(run as unknown as Run, {
      epoch: 1,
      epochs: 1,
      step,
      steps: 5,
      left: 9,
      images: 1,
      losses: {},
      lr: 1,
    });
    hook.afterRecord(run as unknown as Run, record(step));
  }
  hook.afterRecord(run as unknown as Run, { kind: 'evaluation', step: 5 } as MetricsRecord);
  await hook.afterRun();
  expect(seen).toEqual(['step 2', 'step 4', 'step 5', 'evaluation 5']);
});

it('refuses what is no sink', () => {
  const wrong = [
    { url: 'ftp://host' },
    { url: 'host:80/x', headers: {} },
    { address: 'http://host' },
    'http://host',
    3,
  ];
  for (const sink of wrong) {
    expect(() => buildHook({ type: 'LoggerHook', sink })).toThrow(refusal('invalid-argument', 'sink', 'https://'));
  }
  for (const url of ['http://me:secret@host/x', 'https://token@host']) {
    expect(() => buildHook({ type: 'LoggerHook', sink: { url } })).toThrow(
      refusal('invalid-argument', 'sink', 'authorization'),
    );
  }
});

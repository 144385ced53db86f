// How many threads a run goes on with while others compute: the decision on made-up readings, what Linux says, and a training run
// beside a made-up neighbor. Nothing here waits or looks at a clock.
import { expect, it } from 'vitest';

import { tinyNetwork } from '../../test/networks.ts';
import { DataLoader, Normalize, SyntheticImages } from '../data/index.ts';
import { buildAlgorithm } from '../distill/algorithms/index.ts';
import { SGD } from '../optim/index.ts';
import { manualSeed } from '../torch/index.ts';
import { CoreShare, processorsOf, viewAfter, workOf } from './core-share.ts';
import type { CoreUse, CoreView } from './core-share.ts';
import { evaluate, Trainer } from './index.ts';

/** Threads after each quarter of a second in which others used so many cores, and this process one. */
function threadsOver(others: readonly number[], { cores = 2, most = 0 } = {}): number[] {
  const [all, own] = [most || cores, 1];
  let view: CoreView = { threads: all, others: 0, use: { at: 0, busy: 0, own: 0, cores } };
  return others.map((used) => {
    const { at, busy, own: before } = view.use;
    const use = { at: at + 0.25, busy: busy + 0.25 * (used + own), own: before + 0.25 * own, cores };
    view = viewAfter(view, use, all);
    return view.threads;
  });
}

const during = (quarters: number, others: number): number[] => Array.from({ length: quarters }, () => others);

it('gives a thread up within a second of load, and takes it back when the load is gone', () => {
  const threads = threadsOver([...during(8, 0), ...during(12, 1), ...during(12, 0)]);
  expect(threads.slice(0, 8)).toEqual(during(8, 2));
  expect(threads.indexOf(1)).toBeGreaterThan(8); // one quarter of a second is not yet a load
  expect(threads.indexOf(1)).toBeLessThan(12);
  expect(threads.slice(12, 20)).toEqual(during(8, 1));
  expect(threads.slice(-4)).toEqual(during(4, 2));
});

it('takes a neighbor that gets half a core, because it shares one with us, for a neighbor', () => {
  expect(threadsOver(during(12, 0.5)).at(-1)).toBe(1);
});

it('keeps what it has while the load is neither much nor little', () => {
  expect(threadsOver(during(40, 0.3))).toEqual(during(40, 2));
  expect(threadsOver([...during(20, 1), ...during(40, 0.3)]).slice(20)).toEqual(during(40, 1));
});

it('never goes below one thread, nor above the most', () => {
  expect(threadsOver(during(12, 5)).at(-1)).toBe(1);
  expect(threadsOver(during(12, 3), { cores: 64, most: 4 })).toEqual(during(12, 4));
  expect(threadsOver([...during(20, 62.5), ...during(40, 0)], { cores: 64, most: 4 }).at(-1)).toBe(4);
});

it('leaves one core of many to one neighbor, half of them to one that uses half', () => {
  expect(threadsOver(during(20, 1), { cores: 16 }).at(-1)).toBe(15);
  expect(threadsOver(during(20, 8), { cores: 16 }).at(-1)).toBe(8);
});

it('does not follow every core of many up and down: kernels are made anew for each number of threads', () => {
  const load = Array.from({ length: 60 }, (_, i) => 8 + 2 * Math.sin(i / 3));
  const threads = threadsOver([...during(20, 8), ...load, ...during(40, 0)], { cores: 32 });
  expect(new Set(threads.slice(30, 80)).size).toBe(1);
  expect(threads.at(-1)).toBe(32);
});

it('takes readings that go backwards, and the clock standing still, for nothing', () => {
  const use: CoreUse = { at: 1, busy: 4, own: 1, cores: 2 };
  const before: CoreView = { threads: 2, others: 0, use };
  expect(viewAfter(before, { ...use, busy: 9 }, 2)).toBe(before);
  expect(viewAfter(before, { at: 2, busy: 3, own: 2, cores: 2 }, 2)).toMatchObject({ threads: 2, others: 0 });
});

it('reads lists of processors and their work, and no other processors', () => {
  expect(processorsOf('0-2,5,7-8')).toEqual([0, 1, 2, 5, 7, 8]);
  const stat = [
    'cpu  900 90 900 9000 90 9 9 90 0 0',
    'cpu0 100 10 50 800 7 2 3 40 5 6',
    'cpu1 200 0 0 100 0 0 0 0 0 0',
    'cpu10 5000 0 0 0 0 0 0 0 0 0',
    'intr 1 2 3',
    'btime 5',
  ].join('\n');
  expect(workOf(stat, new Set([0, 1, 3]))).toEqual({ cores: 2, busy: 3.65 });
  expect(workOf('', new Set([0]))).toEqual({ cores: 0, busy: 0 });
});

/** A share of two cores that reads what `others` say, at a time that the test sets. */
function made(others: () => number, use: (threads: number) => boolean, say?: (text: string) => void) {
  let reading: CoreUse = { at: 0, busy: 0, own: 0, cores: 2 };
  const share = new CoreShare({ read: () => reading, use, most: 2, say });
  const pass = (): void => {
    reading = { ...reading, at: reading.at + 1, busy: reading.busy + others() };
    share.betweenSteps(reading.at);
  };
  return { share, pass };
}

it('says once that it gives up threads, and ends with all of them', () => {
  const [used, said]: [number[], string[]] = [[], []];
  let load = 1;
  const { share, pass } = made(
    () => load,
    (threads) => used.push(threads) > 0,
    (text) => said.push(text),
  );
  for (load of [1, 1, 0, 0, 0, 1, 1]) pass();
  expect(used).toEqual([1, 2, 1]);
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/other programs use 0\.6 of 2 cores: going on with 1 thread .*RETORT_THREADS=2/);
  share[Symbol.dispose]();
  expect(used.at(-1)).toBe(2);
});

it('says nothing where it may not change the number, and asks again', () => {
  const said: string[] = [];
  let asked = 0;
  const { share, pass } = made(
    () => 1,
    () => (asked++, false),
    (text) => said.push(text),
  );
  for (let i = 0; i < 3; i++) pass();
  share[Symbol.dispose]();
  expect([asked, said]).toEqual([3, []]);
});

it('is undefined where the user has said how many threads there are', () => {
  // The tests run with RETORT_THREADS, so that they are the same on a busy machine.
  expect(CoreShare.ofMachine(undefined)).toBeUndefined();
});

it('is asked between two steps of a training run, and between two batches of an evaluation', async () => {
  manualSeed(5);
  const events: string[] = [];
  const algorithm = buildAlgorithm({ type: 'Supervised', architecture: tinyNetwork(4) });
  using images = new SyntheticImages({ samples: 64 });
  const trainLoader = new DataLoader(images, {
    batchSize: 32,
    transforms: [new Normalize({ mean: [0.5], std: [0.25] })],
  });
  const cores = new CoreShare({
    read: () => ({ at: 0, busy: 0, own: 0, cores: 2 }),
    use: () => true,
    most: 2,
  });
  cores.betweenSteps = () => void events.push('asked');
  const forward = algorithm.student.forward.bind(algorithm.student);
  const progress = { step: () => void events.push('step'), line: () => undefined };
  await new Trainer({
    algorithm,
    trainLoader,
    optimizer: new SGD(algorithm.student.parameters(), { lr: 0.01 }),
    epochs: 1,
    cores,
    progress,
  }).run();
  expect(events).toEqual(['step', 'asked', 'step', 'asked']);
  events.length = 0;
  algorithm.student.forward = (inputs) => (events.push('batch'), forward(inputs));
  await evaluate(algorithm.student, trainLoader, { cores });
  expect(events).toEqual(['batch', 'asked', 'batch', 'asked']);
});

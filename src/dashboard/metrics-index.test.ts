// The metrics of a run in memory: what is appended is added, a torn line waits for its end, and what a resume has cut is read anew.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { MetricsIndex } from './metrics-index.ts';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-index-'));
  file = join(folder, 'metrics.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const time = (seconds: number): string => new Date(Date.UTC(2026, 0, 1) + 1000 * seconds).toISOString();
const step = (n: number, loss: number | null = 1 / n): string =>
  `${JSON.stringify({
    ...{ kind: 'step', time: time(n), step: n, epoch: Math.ceil(n / 10), epochStep: ((n - 1) % 10) + 1 },
    ...{ losses: { loss, kd: 2 }, lr: 0.1, gradNorm: 3, images: 8, imagesPerSecond: 100, memory: 1000, seconds: n },
  })}\n`;
const evaluation = (n: number, accuracy: number): string =>
  `${JSON.stringify({ kind: 'evaluation', time: time(n), step: n, epoch: n / 10, metrics: { student: { accuracy } }, seconds: n })}\n`;
const losses = (index: MetricsIndex): number[] => [...(index.stepsBy('step').columns.get('losses.loss') ?? [])];

it('reads what is there, and then what is appended', async () => {
  const index = new MetricsIndex(folder);
  expect(await index.update()).toBe(false); // no file yet
  writeFileSync(file, step(1) + step(2) + evaluation(2, 50));
  expect(await index.update()).toBe(true);
  expect(await index.update()).toBe(false);
  expect([index.steps, index.evaluations.length, index.damaged]).toEqual([2, 1, 0]);
  appendFileSync(file, step(3) + evaluation(3, 60));
  expect(await index.update()).toBe(true);
  expect(losses(index)).toEqual([1, 1 / 2, 1 / 3]);
  expect([...index.evaluationsBy('step').columns.get('student.accuracy')!]).toEqual([50, 60]);
  expect(index.names.toSorted()).toEqual(['gradNorm', 'imagesPerSecond', 'losses.kd', 'losses.loss', 'lr', 'memory']);
  expect(index.last).toMatchObject({ step: 3 });
});

it('waits for the end of a torn line, wherever it is torn', async () => {
  const text = step(1) + step(2);
  for (let at = step(1).length; at < text.length; at += 7) {
    writeFileSync(file, text.slice(0, at));
    const index = new MetricsIndex(folder);
    await index.update();
    expect([index.steps, index.damaged]).toEqual([1, 0]);
    appendFileSync(file, text.slice(at));
    await index.update();
    expect([index.steps, index.damaged]).toEqual([2, 0]);
  }
});

it('counts lines that cannot be read, and keeps the others', async () => {
  writeFileSync(file, `${step(1)}{"kind":"step","st\n\u0000\u0000\n${step(2)}[]\n`);
  const index = new MetricsIndex(folder);
  await index.update();
  expect([index.steps, index.damaged]).toEqual([2, 3]);
});

it('reads anew what a resume has cut and written again, shorter, longer or as long', async () => {
  for (const again of [[9], [9, 9, 9, 9], [9, 9]]) {
    writeFileSync(file, step(1) + step(2, 5) + step(3, 5));
    const index = new MetricsIndex(folder);
    await index.update();
    writeFileSync(file, step(1) + again.map((loss, i) => step(i + 2, loss)).join(''));
    await index.update();
    expect(losses(index)).toEqual([1, ...again]);
  }
});

it('has a place for each row by step, epoch and time', async () => {
  writeFileSync(file, Array.from({ length: 20 }, (_, i) => step(i + 1)).join('') + evaluation(20, 70));
  const index = new MetricsIndex(folder);
  await index.update();
  expect([...index.stepsBy('step').x].slice(-2)).toEqual([19, 20]);
  expect(index.stepsBy('epoch').x[4]).toBeCloseTo(0.5);
  expect(index.stepsBy('epoch').x[19]).toBeCloseTo(2);
  expect([...index.stepsBy('time').x].slice(0, 2)).toEqual([0, 1]);
  expect([...index.evaluationsBy('epoch').x, ...index.evaluationsBy('time').x]).toEqual([2, 19]);
});

it('knows in the first epoch how long it is', async () => {
  const within = JSON.stringify({ ...(JSON.parse(step(3)) as object), epochSteps: 10 });
  writeFileSync(file, `${within}\n`);
  const index = new MetricsIndex(folder);
  await index.update();
  expect([...index.stepsBy('epoch').x]).toEqual([0.3]);
});

it('has gaps where a term came later, or was not finite', async () => {
  const later = JSON.stringify({ ...(JSON.parse(step(3)) as object), losses: { loss: 1, fresh: 7 } });
  writeFileSync(file, `${step(1)}${step(2, null)}${later}\n`);
  const index = new MetricsIndex(folder);
  await index.update();
  expect(losses(index)).toEqual([1, Number.NaN, 1]);
  expect([...index.stepsBy('step').columns.get('losses.fresh')!]).toEqual([Number.NaN, Number.NaN, 7]);
  expect([...index.stepsBy('step').columns.get('losses.kd')!]).toEqual([2, 2, Number.NaN]);
});

it('gives way to others while it reads a long file', async () => {
  const line = step(1);
  writeFileSync(file, line.repeat(Math.ceil((4 * 2 ** 20) / line.length)));
  const index = new MetricsIndex(folder);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await index.update();
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
  expect(index.steps).toBe(Math.ceil((4 * 2 ** 20) / line.length));
});

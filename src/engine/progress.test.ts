// The progress line: what is left of it where the terminal is narrow, and what is written where there is none.
import { afterEach, expect, it, vi } from 'vitest';

import { TerminalProgress } from './index.ts';
import type { StepReport } from './index.ts';
import { Sparkline } from './sparkline.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const report = (changes: Partial<StepReport> = {}): StepReport => ({
  epoch: 1,
  epochs: 12,
  step: 10,
  steps: 468,
  left: 5606,
  images: 128,
  losses: { 'student.loss': 1.2345, 'distill.loss_kl': 0.98765, 'distill.loss_at': 0.5, loss: 2.72215 },
  lr: 0.1,
  ...changes,
});

/** What is written for two steps, 0.1 s apart, on a stream of a kind. */
function written(stream: object, changes: Partial<StepReport> = {}, label = ''): string[] {
  const texts: string[] = [];
  const clock = vi.spyOn(performance, 'now');
  const write = (text: string): boolean => texts.push(text) > 0;
  const progress = new TerminalProgress({ label, plainEvery: 0, stream: { write, ...stream } as never });
  clock.mockReturnValue(1000);
  progress.step(report(changes));
  clock.mockReturnValue(1100);
  progress.step(report({ ...changes, step: 11, left: report(changes).left - 1 }));
  progress.line('done');
  return texts;
}

const shownAt = (columns: number, changes: Partial<StepReport> = {}, label = ''): string =>
  written({ isTTY: true, columns }, changes, label)[1]!.replace('\r\u001b[K', '');

it.each([
  [
    200,
    'epoch 1/12  step  11/468  loss 2.7222  1280 img/s  ETA 9:21  lr 0.10  student.loss 1.2345  distill.loss_kl 0.9877  distill.loss_at 0.5000',
  ],
  [100, 'epoch 1/12  step  11/468  loss 2.7222  1280 img/s  ETA 9:21  lr 0.10  student.loss 1.2345'],
  [80, 'epoch 1/12  step  11/468  loss 2.7222  1280 img/s  ETA 9:21  lr 0.10'],
  [60, 'epoch 1/12  step  11/468  loss 2.7222  1280 img/s  ETA 9:21'],
  [50, '1/12 11/468 loss 2.722 1280/s ETA 9:21'],
  [40, '1/12 11/468 loss 2.722 1280/s ETA 9:21'],
  [34, '1/12 loss 2.722 1280/s ETA 9:21'],
  [28, 'loss 2.722 1280/s ETA 9:21'],
  [24, 'loss 2.722 ETA 9:21'],
  [12, 'loss 2.722'],
  [8, 'loss 2.'],
])('at %i columns', (columns, expected) => {
  const shown = shownAt(columns);
  expect(shown.length).toBeLessThan(columns);
  expect(shown).toBe(expected);
});

it('a label takes room, its colors do not; several totals are all shown', () => {
  expect(shownAt(60, {}, '\u001b[36mdistilled\u001b[39m')).toBe(
    '\u001b[36mdistilled\u001b[39m  1/12 11/468 loss 2.722 1280/s ETA 9:21',
  );
  const losses = { 'generator.loss_ie': 1, 'generator.loss': 1.5, 'distill.loss_kl': 2, 'distill.loss': 2.5 };
  expect(shownAt(80, { losses })).toBe('1/12 11/468 generator.loss 1.500 distill.loss 2.500 1280/s ETA 9:21');
});

it('a terminal that does not know its width is taken for one of 80 columns', () => {
  expect(shownAt(0)).toBe(shownAt(80));
});

it.each([
  ['no terminal', { isTTY: false }, undefined],
  ['a terminal without control sequences', { isTTY: true, columns: 40 }, 'dumb'],
])('plain lines, whole and without control sequences, on %s', (_name, stream, term) => {
  if (term !== undefined) vi.stubEnv('TERM', term);
  const texts = written(stream);
  expect(texts).toHaveLength(3);
  expect(texts.join('')).not.toContain('\u001b');
  expect(texts[1]).toMatch(/^epoch 1\/12 {2}step {2}11\/468 .*distill\.loss_at 0\.5000\n$/);
});

it('says the last step of a run that ends inside an epoch', () => {
  const write = vi.fn<(text: string) => boolean>();
  const progress = new TerminalProgress({ plainEvery: 1e9, stream: { isTTY: false, write } as never });
  progress.step(report());
  progress.step(report({ step: 11 }));
  progress.step(report({ step: 12, left: 0 }));
  expect(write.mock.calls.map(([text]) => /step +(\d+)/.exec(text)![1])).toEqual(['10', '12']);
});

it('shows the best metric, and the course of the loss where the locale has the characters', () => {
  const best = { metric: 'student.accuracy', value: 91.2, epoch: 3 };
  expect(shownAt(100, { best })).toBe(
    'epoch 1/12  step  11/468  loss 2.7222  1280 img/s  ETA 9:21  best 91.20% (epoch 3)  lr 0.10',
  );
  expect(shownAt(80, { best })).toBe('epoch 1/12  step  11/468  loss 2.7222  1280 img/s  ETA 9:21');
  const course = (locale: string, stream: object): string => {
    vi.stubEnv('LC_ALL', locale);
    const texts: string[] = [];
    const write = (text: string): boolean => texts.push(text) > 0;
    const progress = new TerminalProgress({ plainEvery: 0, stream: { write, ...stream } as never });
    const clock = vi.spyOn(performance, 'now');
    for (let i = 1; i <= 6; i++) {
      clock.mockReturnValue(1000 * i);
      progress.step(report({ losses: { loss: 7 - i }, step: i }));
    }
    return texts.at(-1)!;
  };
  expect(course('de_DE.UTF-8', { isTTY: true, columns: 100 })).toContain('  █▇▅▄▂▁  lr');
  expect(course('C', { isTTY: true, columns: 100 })).not.toContain('█');
  expect(course('C.UTF-8', { isTTY: false })).not.toContain('█');
});

it('a course of any length has 8 to 16 points, and one that does not move is flat', () => {
  const line = new Sparkline();
  for (let i = 0; i < 3; i++) line.add(1);
  expect(line.text).toBe('');
  line.add(1);
  expect(line.text).toBe('▁▁▁▁');
  for (let i = 0; i < 100_000; i++) line.add(1 + i / 1000);
  expect(line.text.length).toBeGreaterThanOrEqual(8);
  expect(line.text.length).toBeLessThanOrEqual(16);
  expect(line.text.startsWith('▁')).toBe(true);
  expect(line.text.endsWith('█')).toBe(true);
});

it('plain lines on a terminal too, where that is asked for', () => {
  const texts: string[] = [];
  const stream = { isTTY: true, columns: 40, write: (text: string): boolean => texts.push(text) > 0 };
  const progress = new TerminalProgress({ plain: true, plainEvery: 0, stream: stream as never });
  progress.step(report());
  progress.line('done');
  expect(texts).toEqual([expect.stringMatching(/^epoch 1\/12 .*loss_at 0\.5000\n$/), 'done\n']);
});

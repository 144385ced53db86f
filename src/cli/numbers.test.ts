// Tables of the command line: Markdown where there is room, or nobody to look; else one cell below the other.
import { afterEach, expect, it, vi } from 'vitest';

import { table } from './numbers.ts';

const header = ['run', 'state', 'started', 'epochs', 'steps', 'time', 'best'];
const row = ['runs/kd', 'finished', '2026-11-29 02:53', '3/3', '192', '', 'student.accuracy 90.63%'];

/** As on a terminal of so many columns; undefined: no terminal. */
function on(columns: number | undefined): void {
  vi.spyOn(process, 'stdout', 'get').mockReturnValue({ isTTY: columns !== undefined, columns } as never);
}
afterEach(() => vi.restoreAllMocks());

it('is Markdown where it fits, and where output is no terminal', () => {
  on(undefined);
  const text = table(header, [row]);
  expect(text.split('\n')[0]).toMatch(/^\| run +\| +state \| .* best \|$/);
  on(200);
  expect(table(header, [row])).toBe(text);
});

it('on 40 columns has every cell, none of them cut, and no line that is too long', () => {
  on(40);
  const text = table(header, [row, ['a/b', '', '', '', '', '', '-']]);
  expect(text.split('\n').filter((line) => line.length > 40)).toEqual([]);
  for (const cell of row.filter((one) => one !== '')) expect(text).toContain(cell);
  expect(text).toContain('    best: student.accuracy 90.63%');
  expect(text).not.toContain('time:'); // an empty cell has no line
});

it('has several columns for a name', () => {
  on(12);
  const rows = [
    ['kd', '2', '90%'],
    ['alone', '', '80%'],
  ];
  expect(table(['method', 'tau', 'mean'], rows, 2)).toBe('kd 2\n    mean: 90%\nalone\n    mean: 80%');
});

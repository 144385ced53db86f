// Option values of the command line: numbers, checked, and tables.
import { InvalidArgumentError } from '@commander-js/extra-typings';

import { table as markdownTable } from '../runner/markdown-table.ts';

/** An integer of at least `least`. */
export function wholeNumber(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`expected an integer of at least ${least}.`);
  };
}

/** `0,1,2` */
export function wholeNumbers(text: string): number[] {
  return text.split(',').map(wholeNumber(0));
}

/**
 * A table in Markdown; on a terminal that is too narrow for it, the cells of each row one below the other.
 * @param left so many columns are the row's name; default 1
 */
export function table(header: readonly string[], rows: readonly (readonly string[])[], left = 1): string {
  const text = markdownTable(header, rows, left);
  const { isTTY, columns } = process.stdout;
  if (!isTTY || !columns || text.indexOf('\n') <= columns) return text;
  const below = rows.map((row) => {
    const [name, cells] = [row.slice(0, left).filter((cell) => cell !== ''), row.slice(left)];
    const lines = cells.flatMap((cell, i) => (cell === '' ? [] : [`    ${header[left + i]}: ${cell}`]));
    return [name.join(' '), ...lines].join('\n');
  });
  return below.join('\n');
}

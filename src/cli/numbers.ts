// Option values of the command line: numbers, checked, and tables.
import { InvalidArgumentError } from '@commander-js/extra-typings';

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

/** A table in Markdown, which also reads well on a terminal; all columns but the first are right-aligned. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

/** A {@link table}; on a terminal that is too narrow for it, the cells of each row one below the other. */
export function fittingTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const text = table(header, rows);
  const { isTTY, columns } = process.stdout;
  if (!isTTY || !columns || text.indexOf('\n') <= columns) return text;
  const below = rows.map(([name, ...cells]) =>
    [name!, ...cells.flatMap((cell, i) => (cell === '' ? [] : [`    ${header[i + 1]}: ${cell}`]))].join('\n'),
  );
  return below.join('\n');
}

// `retort list KIND`: what configs can name, one a line, with the paper.
import { Argument, Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import type { Table } from '../registry/index.ts';
import { registries } from './places.ts';

interface Row {
  kind: string;
  name: string;
  summary: string;
  paper?: string;
}

export const list = new Command('list')
  .description('list what configs can name: losses, connectors, algorithms, ...')
  .addArgument(new Argument('[kind]', 'one kind; all of them without').choices(Object.keys(registries)))
  .option('--search <text>', 'only those whose name, summary or paper contains the text')
  .option('--json', 'print as JSON')
  .action((kind, { search = '', json }) => {
    const wanted = search.toLowerCase();
    const rows = Object.entries(registries)
      .filter(([name]) => kind === undefined || name === kind)
      .flatMap(([name, { entries }]) => rowsOf(name, entries))
      .filter((row) => `${row.name} ${row.summary} ${row.paper ?? ''}`.toLowerCase().includes(wanted));
    process.stdout.write(json === true ? `${JSON.stringify(rows, null, 2)}\n` : shown(rows));
    if (rows.length === 0) process.exitCode = 1;
  });

function rowsOf(kind: string, entries: Table<unknown>): Row[] {
  return Object.entries(entries)
    .map(([name, { summary, paper }]) => ({ kind, name, summary, ...(paper === undefined ? {} : { paper }) }))
    .toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

function shown(rows: readonly Row[]): string {
  if (rows.length === 0) return 'nothing found\n';
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines: string[] = [];
  for (const [i, { kind, name, summary, paper }] of rows.entries()) {
    if (rows[i - 1]?.kind !== kind) {
      const count = rows.filter((row) => row.kind === kind).length;
      lines.push(...(i === 0 ? [] : ['']), pc.bold(`${kind} (${count})`));
    }
    lines.push(`  ${pc.cyan(name.padEnd(width))}  ${summary}${paper === undefined ? '' : pc.dim(`  ${paper}`)}`);
  }
  return `${lines.join('\n')}\n`;
}

// `retort list KIND`: what configs can name, one a line, with the paper.
import { Argument, Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { datasets, transforms } from '../data/index.ts';
import { algorithms } from '../distill/algorithms/index.ts';
import { connectors } from '../distill/connectors/index.ts';
import { deliveries } from '../distill/deliveries/index.ts';
import { distillers } from '../distill/distillers/index.ts';
import { losses } from '../distill/losses/index.ts';
import { recorders } from '../distill/recorders/index.ts';
import { evaluators, hooks } from '../engine/index.ts';
import { generators } from '../models/generators/index.ts';
import { backbones, heads, models, necks } from '../models/index.ts';
import type { Table } from '../registry/index.ts';

const kinds: Readonly<Record<string, { readonly entries: Table<unknown> }>> = {
  algorithms,
  backbones,
  connectors,
  datasets,
  deliveries,
  distillers,
  evaluators,
  generators,
  heads,
  hooks,
  losses,
  models,
  necks,
  recorders,
  transforms,
};

interface Row {
  kind: string;
  name: string;
  summary: string;
  paper?: string;
}

export const list = new Command('list')
  .description('list what configs can name: losses, connectors, algorithms, ...')
  .addArgument(new Argument('[kind]', 'one kind; all of them without').choices(Object.keys(kinds)))
  .option('--search <text>', 'only those whose name, summary or paper contains the text')
  .option('--json', 'print as JSON')
  .action((kind, { search = '', json }) => {
    const wanted = search.toLowerCase();
    const rows = Object.entries(kinds)
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

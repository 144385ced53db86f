// The tables that show what the probe of a stage found.
import pc from 'picocolors';

import type { ProbeReport } from '../distill/algorithms/index.ts';
import { table } from './numbers.ts';

/** What was found, as tables and lines; empty for an algorithm without recorders and warnings. */
export function shownProbe({ recorders, arguments: args, warnings }: ProbeReport): string {
  const parts: string[] = [];
  if (recorders.length > 0) {
    const rows = recorders.map(({ side, name, source, records, shapes }) => [
      `${side} ${name}`,
      source,
      String(records),
      shapes,
    ]);
    parts.push(table(['recorder', 'what it records', 'fired', 'first record'], rows));
  }
  if (args.length > 0) {
    const rows = args.map(({ loss, argument, from, shapes }) => [`${loss}.${argument}`, from, shapes]);
    parts.push(table(['loss argument', 'from', 'shape'], rows));
  }
  if (warnings.length > 0) parts.push(warnings.map((warning) => `${pc.yellow('note')} ${warning}`).join('\n'));
  return parts.join('\n\n');
}

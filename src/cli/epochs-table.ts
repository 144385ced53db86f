// The epochs of a run as a table: the mean loss, the learning rate, the time, and what was measured after each.
import { bestMetrics, duration, flatMetrics, valueOf } from '../engine/index.ts';
import type { RunMetrics } from '../engine/index.ts';
import { table } from './numbers.ts';
import { harmless } from './streams.ts';

/** More metrics make the table too wide, more epochs too long. */
const mostMetrics = 4;
const mostEpochs = 30;

/** Undefined for a run that has done no step. The best epoch, by the first metric of what is trained, has a star. */
export function epochsTable({ steps, evaluations }: RunMetrics): string | undefined {
  const epochs = [...new Set(steps.map(({ epoch }) => epoch))].toSorted((a, b) => a - b);
  if (epochs.length === 0) return undefined;
  const names = [...new Set(evaluations.flatMap(({ metrics }) => Object.keys(flatMetrics(metrics))))];
  const own = names.filter((name) => !name.startsWith('teacher.')).slice(0, mostMetrics);
  const [first] = own;
  const best = first === undefined ? undefined : bestMetrics(evaluations)[first];
  const sums = new Map<number, { loss: number; count: number; lr: number; seconds: number }>();
  let before = 0;
  for (const { epoch, losses, lr, seconds } of steps) {
    const sum = sums.get(epoch) ?? { loss: 0, count: 0, lr, seconds: 0 };
    const { loss = totalOf(losses) } = losses;
    sums.set(epoch, { loss: sum.loss + loss, count: sum.count + 1, lr, seconds: sum.seconds + seconds - before });
    before = seconds;
  }
  const rows = epochs.slice(-mostEpochs).map((epoch) => {
    const { loss, count, lr, seconds } = sums.get(epoch)!;
    const after = evaluations.findLast((one) => Math.ceil(one.epoch) === epoch);
    const values = after === undefined ? {} : flatMetrics(after.metrics);
    const star = best !== undefined && Math.ceil(best.epoch) === epoch ? ' *' : '';
    const measured = own.map((name) => (values[name] === undefined ? '' : valueOf(name, values[name])));
    return [`${epoch}${star}`, (loss / count).toFixed(4), lr.toPrecision(3), duration(seconds), ...measured];
  });
  const text = table(['epoch', 'loss', 'lr', 'time', ...own.map(harmless)], rows);
  const left = epochs.length - rows.length;
  const more = left > 0 ? `\nbefore these: ${left} epochs (metrics.jsonl)` : '';
  return `${text}${more}${best === undefined ? '' : `\n* the best ${harmless(first!)}`}`;
}

/** Of an algorithm with several totals (`generator.loss`, `distill.loss`), their sum. */
function totalOf(losses: Readonly<Record<string, number>>): number {
  const totals = Object.entries(losses).filter(([name]) => name.endsWith('.loss'));
  return totals.reduce((sum, [, value]) => sum + value, 0);
}

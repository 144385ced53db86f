// Sweeps: many runs of one plan, and the table of what came of them.
export type { CellOutcome, CellState } from './cell-folder.ts';
export type { SweepSource } from './plan.ts';
export type { Paired, Sample } from './statistics.ts';
export type { SweepEvent } from './pool.ts';
export { sweep } from './sweep.ts';
export type { SweepOptions, SweepResult } from './sweep.ts';
export { tableInMarkdown } from './table.ts';
export type { SweepTable, TableCell, TableRow } from './table.ts';
export { tuneSweep, tuningInMarkdown } from './halving.ts';
export type { Bracket, Rung, RungCell, Tuning } from './halving.ts';

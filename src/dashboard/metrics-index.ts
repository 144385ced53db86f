// The metrics of one run in memory, as columns: read once, then only what was appended. A run of a million steps takes about 8 bytes for
// each of its numbers. What a resumed run cuts off and writes again is noticed, and read anew.
import { join } from 'node:path';

import { metricsRecordOf, runFiles } from '../engine/index.ts';
import type { EvaluationRecord, StepRecord } from '../engine/index.ts';
import { statOf } from '../files.ts';
import { withFile } from '../formats/read-file.ts';

/** So many bytes are read before others have their turn. */
const pieceBytes = 2 ** 20;
/** The last bytes of what was read, by which a file that was cut and written on is told from one that grew. */
const rememberedBytes = 256;
const lineBreak = 10;

/** Numbers that become more; NaN where a row has none. */
class Column {
  #values = new Float64Array(1024).fill(Number.NaN);

  set(row: number, value: number): void {
    if (row >= this.#values.length) {
      const grown = new Float64Array(Math.max(2 * this.#values.length, row + 1)).fill(Number.NaN);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[row] = value;
  }

  /** The first `rows` values. */
  upTo(rows: number): Float64Array {
    return this.#values.length >= rows ? this.#values.subarray(0, rows) : this.#padded(rows);
  }

  #padded(rows: number): Float64Array {
    const padded = new Float64Array(rows).fill(Number.NaN);
    padded.set(this.#values);
    return padded;
  }
}

/** What rows are placed by. */
export const axes = ['step', 'epoch', 'time'] as const;
export type AxisName = (typeof axes)[number];

/** Rows of numbers, sorted by `x`. */
export interface Rows {
  x: Float64Array;
  columns: ReadonlyMap<string, Float64Array>;
}

/** Follows `metrics.jsonl` of a run, or of a stage. */
export class MetricsIndex {
  readonly folder: string;
  readonly #path: string;
  #columns = new Map<string, Column>();
  #rows = 0;
  #stepsPerEpoch = 1;
  #evaluations: EvaluationRecord[] = [];
  #last: StepRecord | undefined;
  #damaged = 0;
  #read = 0;
  #tail: Uint8Array = new Uint8Array();
  #rest: Uint8Array[] = [];
  #began: number | undefined;

  constructor(folder: string) {
    this.folder = folder;
    this.#path = join(folder, runFiles.metrics);
  }

  get steps(): number {
    return this.#rows;
  }
  get last(): StepRecord | undefined {
    return this.#last;
  }
  get evaluations(): readonly EvaluationRecord[] {
    return this.#evaluations;
  }
  /** Lines that cannot be read. The last one is not counted: it may be under way. */
  get damaged(): number {
    return this.#damaged;
  }
  /** What steps have, such as `losses.loss`, `lr`, `gradNorm`. */
  get names(): string[] {
    return [...this.#columns.keys()].filter((name) => !hidden.has(name));
  }

  /** Reads what is new. @returns whether anything was */
  async update(): Promise<boolean> {
    const size = statOf(this.#path)?.size ?? 0;
    if (size === this.#read && this.#isSame()) return false;
    if (size < this.#read || !this.#isSame()) this.#forget();
    while (this.#read < size) {
      const piece = withFile(this.#path, (file) => file.read(this.#read, Math.min(pieceBytes, size - this.#read)));
      if (piece.length === 0) break;
      this.#take(piece);
      await new Promise(setImmediate);
    }
    return true;
  }

  /** Whether the file still has what was read last. */
  #isSame(): boolean {
    const { length } = this.#tail;
    if (length === 0) return true;
    try {
      const now = withFile(this.#path, (file) => file.read(this.#read - length, length));
      return Buffer.compare(now, this.#tail) === 0;
    } catch {
      return false;
    }
  }

  #forget(): void {
    this.#columns = new Map();
    this.#evaluations = [];
    this.#last = this.#began = undefined;
    this.#rows = this.#damaged = this.#read = 0;
    this.#stepsPerEpoch = 1;
    this.#tail = new Uint8Array();
    this.#rest = [];
  }

  #take(given: Uint8Array): void {
    const piece = Uint8Array.from(given); // what a file lends is its own
    this.#read += piece.length;
    this.#tail = Uint8Array.from(Buffer.concat([this.#tail, piece]).subarray(-rememberedBytes));
    let from = 0;
    for (;;) {
      const end = piece.indexOf(lineBreak, from);
      if (end < 0) break;
      const line = Buffer.concat([...this.#rest, piece.subarray(from, end)]).toString();
      this.#rest = [];
      from = end + 1;
      if (line !== '') this.#add(line);
    }
    if (from < piece.length) this.#rest.push(piece.subarray(from));
  }

  #add(line: string): void {
    const record = metricsRecordOf(line);
    if (record === undefined) this.#damaged++;
    else if (record.kind === 'evaluation') this.#evaluations.push(record);
    else this.#addStep(record);
  }

  #addStep(record: StepRecord): void {
    const { step, epoch, epochStep, epochSteps, losses, lr, lrs, gradNorm, gradNorms, imagesPerSecond, memory, time } =
      record;
    const row = this.#rows++;
    const set = (name: string, value: number | undefined): void => {
      if (typeof value !== 'number') return;
      let column = this.#columns.get(name);
      if (column === undefined) this.#columns.set(name, (column = new Column()));
      column.set(row, value);
    };
    const setAll = (group: string, values: Readonly<Record<string, number>> = {}): void => {
      for (const [name, value] of Object.entries(values)) set(`${group}.${name}`, value);
    };
    const at = Date.parse(time) / 1000;
    this.#began ??= at;
    this.#last = record;
    this.#stepsPerEpoch = Math.max(this.#stepsPerEpoch, epochSteps ?? epochStep);
    set('step', step);
    set('epoch', epoch);
    set('epochStep', epochStep);
    set('time', at - this.#began);
    setAll('losses', losses);
    set('lr', lr);
    setAll('lrs', lrs);
    set('gradNorm', gradNorm);
    setAll('gradNorms', gradNorms);
    set('imagesPerSecond', imagesPerSecond);
    set('memory', memory);
  }

  /** The steps by an axis; `time` is seconds since the first one. */
  stepsBy(axis: AxisName): Rows {
    const column = (name: string): Float64Array => this.#columns.get(name)?.upTo(this.#rows) ?? new Float64Array();
    const columns = new Map(this.names.map((name) => [name, column(name)]));
    if (axis !== 'epoch') return { x: column(axis), columns };
    const [epochs, within] = [column('epoch'), column('epochStep')];
    return { x: epochs.map((epoch, i) => epoch - 1 + within[i]! / this.#stepsPerEpoch), columns };
  }

  /** The evaluations by an axis, with a column for each metric such as `student.accuracy`. */
  evaluationsBy(axis: AxisName): Rows {
    const rows = this.#evaluations;
    const names = new Set(
      rows.flatMap(({ metrics }) =>
        Object.entries(metrics).flatMap(([network, values]) => Object.keys(values).map((name) => `${network}.${name}`)),
      ),
    );
    const columns = [...names].map((path): [string, Float64Array] => {
      const [network, name] = [path.slice(0, path.indexOf('.')), path.slice(path.indexOf('.') + 1)];
      return [path, Float64Array.from(rows, ({ metrics }) => metrics[network]?.[name] ?? Number.NaN)];
    });
    const place = ({ step, epoch, time }: EvaluationRecord): number =>
      axis === 'time'
        ? Date.parse(time) / 1000 - (this.#began ?? Date.parse(time) / 1000)
        : axis === 'step'
          ? step
          : epoch;
    return { x: Float64Array.from(rows, place), columns: new Map(columns) };
  }
}

/** Columns that say where a row is, not what was measured. */
const hidden: ReadonlySet<string> = new Set(['step', 'epoch', 'epochStep', 'time']);

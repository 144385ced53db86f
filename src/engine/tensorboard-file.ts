// A run for TensorBoard: its metrics, the first images that the student learns from, and the config, in an event file in the run's
// folder. A run that goes on cuts off what it is going to write again, and begins another file.
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';

import type { DataLoader } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import { cutFile, exists, GrowingFile, listFolder, readText } from '../files.ts';
import { withFile } from '../formats/read-file.ts';
import { encodeEvent, eventBytesBefore } from '../formats/tensorboard.ts';
import type { Raster } from '../formats/index.ts';
import type { EventContent } from '../formats/tensorboard.ts';
import type { Inputs } from '../nn/index.ts';
import { Tensor, tidy } from '../torch/index.ts';
import type { Done, MetricsRecord } from './metrics-file.ts';
import { runFiles } from './run-files.ts';

const isOurs = (name: string): boolean => /^events\.out\.tfevents\..+\.retort$/.test(name);

/** Writes events; what cannot be written is said once and lost, as `metrics.jsonl` has it. */
export class TensorBoardFile implements Disposable {
  readonly #file: GrowingFile;
  readonly #say: (text: string) => void;
  #told = false;

  /** @throws {RetortError} when the folder's event files cannot be read or written. */
  constructor(folder: string, done: Done, say: (text: string) => void) {
    this.#say = say;
    // An evaluation that is made once more has the same numbers at the same step.
    const keeps = (step: number): boolean => step <= done.steps;
    for (const { name } of listFolder(folder).filter((entry) => isOurs(entry.name))) {
      const path = join(folder, name);
      const { kept, size } = withFile(path, (file) => ({
        kept: eventBytesBefore(file, done.steps === 0 ? () => false : keeps),
        size: file.size,
      }));
      if (kept < size) cutFile(path, kept);
    }
    const now = Date.now();
    const name = `events.out.tfevents.${Math.floor(now / 1000)}.${hostname()}.${process.pid}.${now % 1000}.retort`;
    this.#file = new GrowingFile(join(folder, name));
    this.#add({ kind: 'version' }, 0, now);
    if (done.steps > 0) {
      this.#add({ kind: 'start' }, done.steps + 1, now);
      return;
    }
    const config = [folder, dirname(folder)].map((one) => join(one, runFiles.printed)).find(exists);
    if (config !== undefined) {
      this.#add({ kind: 'text', tag: 'config', text: `\`\`\`\n${readText(config)}\n\`\`\`` }, 0, now);
    }
  }

  write(record: MetricsRecord): void {
    this.#add({ kind: 'scalars', values: scalarsOf(record) }, record.step, Date.parse(record.time));
  }

  /** The first images of the first batch, as the student sees them, brightest white and darkest black. */
  async images(loader: DataLoader<Inputs>): Promise<void> {
    await loader.prepare(0, 0);
    const image = tidy(() => gridOf(loader.load(0, 0).inputs));
    if (image !== undefined) this.#add({ kind: 'image', tag: 'training images', image }, 0, Date.now());
  }

  #add(content: EventContent, step: number, time: number): void {
    try {
      this.#file.append(encodeEvent(content, { step, time: time / 1000 }));
    } catch (error) {
      if (!(error instanceof RetortError)) throw error;
      if (!this.#told)
        this.#say(`note: ${error.message.split('\n')[0]}: training goes on, TensorBoard misses what comes`);
      this.#told = true;
    }
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

function scalarsOf(record: MetricsRecord): Record<string, number> {
  const values: Record<string, number> = {};
  const add = (group: string, all: Readonly<Record<string, number>> = {}): void => {
    for (const [name, value] of Object.entries(all)) values[`${group}/${name}`] = value;
  };
  if (record.kind === 'evaluation') {
    for (const [network, metrics] of Object.entries(record.metrics)) {
      for (const [name, value] of Object.entries(metrics)) values[`${name}/${network}`] = value;
    }
    return values;
  }
  const { losses, lr, lrs, gradNorm, gradNorms, imagesPerSecond, memory, epoch } = record;
  add('losses', losses);
  add('training', { lr, ...(gradNorm === undefined ? {} : { gradNorm }), imagesPerSecond, memory, epoch });
  add('lrs', lrs);
  add('gradNorms', gradNorms);
  return values;
}

const mostImages = 16;

/** Images side by side; undefined for inputs that are none. */
function gridOf(inputs: Inputs): Omit<Raster, 'source'> | undefined {
  if (!(inputs instanceof Tensor) || inputs.shape.length !== 4) return undefined;
  const [count, channels, height, width] = inputs.shape as [number, number, number, number];
  if (channels !== 1 && channels !== 3) return undefined;
  const shown = Math.min(count, mostImages);
  const columns = Math.ceil(Math.sqrt(shown));
  const rows = Math.ceil(shown / columns);
  const pixels = inputs
    .narrow(0, 0, shown)
    .permute([0, 2, 3, 1])
    .contiguous()
    .to({ dtype: 'float32', device: 'cpu' })
    .data();
  const values = pixels as Float32Array;
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const scale = high > low ? 255 / (high - low) : 0;
  const data = new Uint8Array(rows * height * columns * width * channels);
  const line = width * channels;
  for (let i = 0; i < shown; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    for (let y = 0; y < height; y++) {
      const from = (i * height + y) * line;
      const to = ((row * height + y) * columns + column) * line;
      for (let x = 0; x < line; x++) data[to + x] = Math.round((values[from + x]! - low) * scale);
    }
  }
  return { width: columns * width, height: rows * height, channels, data };
}

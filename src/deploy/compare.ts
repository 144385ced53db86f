// How models in files compare: size, accuracy, agreement with the student as it was trained, time; and which layers 8 bits cost most.
import { basename } from 'node:path';

import { describeValue, RetortError } from '../errors.ts';
import { statOf } from '../files.ts';
import { onnxModelBytes } from '../formats/index.ts';
import type { OnnxModel } from '../formats/index.ts';
import { openOnnx } from '../models/onnx/session.ts';
import type { OnnxSession } from '../models/onnx/session.ts';
import { tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { calibrate } from './calibrate.ts';
import { activationsOf, layersToQuantize, quantizedWith } from './quantize.ts';
import type { QuantizeOptions } from './quantize.ts';

/** Samples to compare with. */
export interface LabeledBatch {
  /** The model's input. */
  readonly inputs: Tensor;
  /** Classes `(N)`, int64; without them there is no accuracy. */
  readonly labels?: Tensor | undefined;
}

/** One model in a {@link deploymentTable}. */
export interface DeploymentRow {
  /** The file's name, or what the model was called. */
  readonly name: string;
  /** Of the file. */
  readonly bytes: number;
  /** Samples whose highest score is that of their class, in percent; undefined without labels. */
  readonly accuracy: number | undefined;
  /** Samples for which the first model has the same highest score, in percent. */
  readonly agreement: number;
  /** Of one sample, in milliseconds: the median. */
  readonly latency: number;
}

/** What {@link deploymentTable} does. */
export interface DeploymentOptions {
  /** Threads of one operator. Default: as many as libtorch's operators use. */
  readonly threads?: number;
  /** How often one sample is run. Default 50, after 5 that do not count. */
  readonly runs?: number;
}

/**
 * Compares models with each other. The first is what the others should agree with: the student in float32.
 * @param models paths of files, or models by name; each takes the same inputs and gives scores `(N, K)` first
 * @param data gone through once for each model
 * @throws {RetortError} for no models or samples, and what cannot be run.
 *
 * @example
 * ```ts
 * const rows = deploymentTable(['student.onnx', 'student-int8.onnx'], batches);
 * console.table(rows);
 * ```
 */
export function deploymentTable(
  models: readonly string[] | Readonly<Record<string, OnnxModel | Uint8Array>>,
  data: Iterable<LabeledBatch>,
  options: DeploymentOptions = {},
): DeploymentRow[] {
  using table = new DeploymentTable(models, options);
  for (const batch of data) table.add(batch);
  return table.rows();
}

/** A {@link deploymentTable} that is given one batch after the other, none of which it keeps. Disposing frees what the models hold. */
export class DeploymentTable implements Disposable {
  readonly #models: readonly Measured[];
  readonly #runs: number;
  #sample: Tensor | undefined;

  /** @throws {RetortError} as {@link deploymentTable}. */
  constructor(
    models: readonly string[] | Readonly<Record<string, OnnxModel | Uint8Array>>,
    { runs = 50, threads }: DeploymentOptions = {},
  ) {
    if (!Number.isInteger(runs) || runs < 1) {
      throw new RetortError(`deploymentTable: runs: expected an integer of at least 1, got ${describeValue(runs)}`);
    }
    const list = Array.isArray(models)
      ? (models as readonly string[]).map((path) => ({
          name: basename(path),
          model: path,
          bytes: statOf(path)?.size ?? 0,
        }))
      : Object.entries(models as Readonly<Record<string, OnnxModel | Uint8Array>>).map(([name, given]) => {
          const model = given instanceof Uint8Array ? given : onnxModelBytes(given);
          return { name, model, bytes: model.length };
        });
    if (list.length === 0) throw new RetortError('deploymentTable: models: expected at least one, got none');
    this.#runs = runs;
    this.#models = list.map(({ name, model, bytes }) => {
      return { name, bytes, session: openOnnx(model, threads === undefined ? {} : { threads }), right: 0, same: 0 };
    });
  }

  #seen = 0;
  #labeled = 0;

  /** Runs every model on a batch. */
  add({ inputs, labels }: LabeledBatch): void {
    tidy(() => {
      this.#sample ??= inputs.narrow(0, 0, 1).clone().keep();
      let first: Tensor | undefined;
      for (const one of this.#models) {
        const [scores] = Object.values(one.session.run([inputs], [one.session.outputs[0]!.name]));
        const classes = scores!.argmax(1);
        first ??= classes;
        one.same += classes.eq(first).sum().item();
        if (labels !== undefined) one.right += classes.eq(labels).sum().item();
      }
      this.#seen += inputs.shape[0]!;
      this.#labeled += labels?.numel ?? 0;
    });
  }

  /** What was found, and how long each model takes for one sample. @throws {RetortError} where no batch was given. */
  rows(): DeploymentRow[] {
    const sample = this.#sample;
    if (sample === undefined) throw new RetortError('deploymentTable: data: expected samples, got none');
    return this.#models.map(({ name, bytes, session, right, same }) => ({
      ...{ name, bytes },
      accuracy: this.#labeled === 0 ? undefined : (100 * right) / this.#labeled,
      agreement: (100 * same) / this.#seen,
      latency: medianTime(session.prepared([sample]), this.#runs),
    }));
  }

  [Symbol.dispose](): void {
    this.#sample?.dispose();
    for (const { session } of this.#models) session.dispose();
  }
}

interface Measured {
  readonly name: string;
  /** Of the file. */
  readonly bytes: number;
  readonly session: OnnxSession;
  /** Samples whose highest score is that of their class, and of the first model's. */
  right: number;
  same: number;
}

/** The median of so many runs, in milliseconds. */
function medianTime(run: () => void, runs: number): number {
  for (let i = 0; i < 5; i++) run();
  const times = Array.from({ length: runs }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  }).toSorted((a, b) => a - b);
  const middle = Math.floor(runs / 2);
  return runs % 2 === 1 ? times[middle]! : (times[middle - 1]! + times[middle]!) / 2;
}

/** What 8 bits cost in one layer. */
export interface LayerSensitivity {
  /** The node's name. */
  readonly layer: string;
  /** Samples that get the same class as in float32 when this layer alone is in 8 bits, in percent. */
  readonly agreement: number;
  /** In percent; undefined without labels. */
  readonly accuracy: number | undefined;
  /** How large the changes of the scores are, in parts of the scores' own size (root of the mean of squares). */
  readonly change: number;
}

/** What {@link sensitivity} does. */
export interface SensitivityOptions extends QuantizeOptions {
  /** Samples to compare with. Default: those of the calibration. */
  readonly data?: Iterable<LabeledBatch>;
  /** Told of each layer. */
  readonly onLayer?: (layer: string, index: number, count: number) => void;
}

/**
 * Puts one layer at a time into 8 bits, and tells what that changes; the layer that changes most comes first. What to leave in float32
 * (`exclude`) where accuracy is lost.
 * @throws {RetortError} as `quantizeOnnx`, and for no samples.
 *
 * @example
 * ```ts
 * const [worst] = sensitivity(model, { calibration: batches });
 * quantizeOnnx(model, { calibration: batches, exclude: [worst.layer] });
 * ```
 */
export function sensitivity(model: OnnxModel, options: SensitivityOptions): LayerSensitivity[] {
  const layers = layersToQuantize(model, options);
  const names = new Set(layers.flatMap((layer) => activationsOf(model, new Set([layer]))));
  const ranges = calibrate(model, [...names], options);
  // In a list: they are gone through once for each layer.
  const data = [...(options.data ?? [...options.calibration].map((inputs) => ({ inputs })))];
  if (data.length === 0) {
    throw new RetortError('sensitivity: data: expected samples, got none', {
      help: 'a generator can be gone through once: give a list where it was used before',
    });
  }
  const float = scoresOf(model, data);
  try {
    const found = layers.map((layer, i): LayerSensitivity => {
      options.onLayer?.(layer.name, i, layers.length);
      const one = scoresOf(quantizedWith(model, { layers: new Set([layer]), ranges, options }), data);
      try {
        return { layer: layer.name, accuracy: one.accuracy, ...comparedWith(float.scores, one.scores) };
      } finally {
        for (const tensor of one.scores) tensor.dispose();
      }
    });
    return found.toSorted((a, b) => b.change - a.change);
  } finally {
    for (const tensor of float.scores) tensor.dispose();
  }
}

function scoresOf(model: OnnxModel, data: Iterable<LabeledBatch>): { scores: Tensor[]; accuracy: number | undefined } {
  using session = openOnnx(onnxModelBytes(model));
  const scores: Tensor[] = [];
  let [correct, labeled] = [0, 0];
  for (const { inputs, labels } of data) {
    tidy(() => {
      const [result] = Object.values(session.run([inputs], [session.outputs[0]!.name]));
      scores.push(result!.keep());
      if (labels === undefined) return;
      correct += result!.argmax(1).eq(labels).sum().item();
      labeled += labels.numel;
    });
  }
  return { scores, accuracy: labeled === 0 ? undefined : (100 * correct) / labeled };
}

function comparedWith(wanted: readonly Tensor[], got: readonly Tensor[]): { agreement: number; change: number } {
  let [same, count, apart, size] = [0, 0, 0, 0];
  for (const [i, scores] of wanted.entries()) {
    tidy(() => {
      const other = got[i]!;
      same += scores.argmax(1).eq(other.argmax(1)).sum().item();
      count += scores.shape[0]!;
      apart += scores.sub(other).square().sum().item();
      size += scores.square().sum().item();
    });
  }
  return { agreement: (100 * same) / Math.max(1, count), change: size === 0 ? 0 : Math.sqrt(apart / size) };
}

// A student that loads in one line and answers in the words of its classes: the network, its weights, and how images are made its
// inputs, all from the folder of a run.
import { shown } from '../check.ts';
import { RetortError } from '../errors.ts';
import { buildModel, loadNetwork } from '../models/index.ts';
import { Module } from '../nn/index.ts';
import type { Network } from '../nn/index.ts';
import { inferenceMode, requireDevice, Tensor, tidy } from '../torch/index.ts';
import type { ComputeDevice } from '../torch/index.ts';
import { decoded, ImagePreparation } from './images.ts';
import type { ImageInput } from './images.ts';
import { findModel } from './model-info.ts';
import type { ModelInfo } from './model-info.ts';

/** A class, and how likely a student finds it. */
export interface Prediction {
  /** The name of the class; its number where classes have no names. */
  label: string;
  /** Its probability, 0 to 1. */
  score: number;
  /** Its number. */
  index: number;
}

/** Options of {@link Student.predict}. */
export interface PredictOptions {
  /** How many of the likeliest classes are told. Default 5. */
  topk?: number | undefined;
  /** How many images are computed at once. Default 32. */
  batchSize?: number | undefined;
}

/** Options of {@link loadStudent}. */
export interface LoadStudentOptions {
  /** In the folder of a run of several stages. Default: the last. */
  stage?: string | undefined;
  /** The network to load the weights into, where it is of a class of yours: nothing that a run's folder names is run as code. */
  network?: Network | undefined;
  /** Where it computes: `'cpu'`, `'cuda'`, `'cuda:1'`. Default: the CPU, or where the given network is. */
  device?: ComputeDevice | undefined;
}

/** The network is of a class that this library does not know. */
export class NetworkNeededError extends RetortError {}

/** A trained network with all it takes to use it. Made by {@link loadStudent}. Disposing frees its tensors. */
export class Student implements Disposable {
  /** In evaluation mode. */
  readonly network: Network;
  /** What `model.json` says. */
  readonly info: ModelInfo;
  /** The path of its weights. */
  readonly weights: string;
  readonly #preparation: ImagePreparation;

  constructor(network: Network, info: ModelInfo, weights: string) {
    this.network = network.eval();
    this.info = info;
    this.weights = weights;
    this.#preparation = new ImagePreparation(info.preprocessing);
  }

  /** The names of the classes, in the order of the scores. */
  get classes(): readonly string[] {
    return this.info.classes;
  }

  /**
   * The likeliest classes of an image, or of each of several, the likeliest first. An image is the path of a file, the bytes of one,
   * pixels `{ data, height, width, channels }` of 0 to 255, or a tensor `(C, H, W)`; a tensor `(N, C, H, W)` is a batch.
   * @throws {RetortError} for a file that cannot be decoded, pixels of another number of channels, and a network that does not classify.
   * @example
   * ```ts
   * using student = await loadStudent('runs/kd');
   * const [best] = await student.predict('cat.jpg');
   * console.log(best!.label, best!.score);
   * ```
   */
  async predict(images: readonly ImageInput[], options?: PredictOptions): Promise<Prediction[][]>;
  async predict(image: ImageInput, options?: PredictOptions): Promise<Prediction[]>;
  async predict(
    given: ImageInput | readonly ImageInput[],
    options: PredictOptions = {},
  ): Promise<Prediction[] | Prediction[][]> {
    const { topk = 5, batchSize = 32 } = options;
    for (const [name, count] of Object.entries({ topk, batchSize })) {
      if (!Number.isInteger(count) || count < 1) {
        throw new RetortError(`predict: ${name}: expected an integer of at least 1, got ${count}`);
      }
    }
    if (Array.isArray(given)) {
      const all: Prediction[][] = [];
      for (let at = 0; at < given.length; at += batchSize) {
        const images = (given as readonly ImageInput[]).slice(at, at + batchSize);
        const pixels = await Promise.all(images.map((image) => decoded(image, this.info.preprocessing)));
        all.push(...this.#ranked(() => this.#preparation.batch(pixels), topk));
      }
      return all;
    }
    const image = given as ImageInput;
    if (image instanceof Tensor && image.ndim === 4) {
      const rows = tidy(() => Array.from({ length: image.shape[0]! }, (_, i) => image.select(0, i)));
      try {
        return await this.predict(rows, options);
      } finally {
        for (const row of rows) row.dispose();
      }
    }
    const pixels = await decoded(image, this.info.preprocessing);
    return this.#ranked(() => this.#preparation.prepare(pixels), topk)[0]!;
  }

  /** @param inputs makes `(N, C, H, W)` */
  #ranked(inputs: () => Tensor, topk: number): Prediction[][] {
    return inferenceMode(() =>
      tidy(() => {
        const given = inputs();
        const device = this.network.parameters()[0]?.device ?? given.device;
        const outputs = this.network.forward(given.device === device ? given : given.to({ device }));
        if (!(outputs instanceof Tensor) || outputs.ndim !== 2) {
          throw new RetortError(`predict: ${this.network.constructor.name} gives no scores (N, K), one row per image`, {
            code: 'unsupported',
            help: 'call its network: student.network.forward(inputs)',
          });
        }
        const most = Math.min(topk, outputs.shape[1]!);
        const [scores, indices] = outputs.to('float32').softmax(1).topk(most, 1);
        const [values, numbers] = [scores.data(), indices.data()];
        return Array.from({ length: outputs.shape[0]! }, (_, i) =>
          Array.from({ length: most }, (_, k): Prediction => {
            const index = Number(numbers[i * most + k]);
            return { label: this.classes[index] ?? String(index), score: Number(values[i * most + k]), index };
          }),
        );
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#preparation[Symbol.dispose]();
    for (const tensor of [...this.network.parameters(), ...this.network.buffers()]) tensor.dispose();
  }
}

/**
 * Loads the student of a run: network, weights, classes and preprocessing, all from its folder.
 * @param path the folder of a run or of one of its stages, a `student.safetensors` or its `model.json`
 * @throws {RetortError} when there is no student, its files do not fit together, or its network is of a class that must be given.
 * @example
 * ```ts
 * using student = await loadStudent('runs/kd');
 * console.log(await student.predict('cat.jpg')); // [{ label: 'cat', score: 0.93, index: 3 }, ...]
 * ```
 */
export function loadStudent(path: string, options: LoadStudentOptions = {}): Promise<Student> {
  return new Promise((resolve) => resolve(openStudent(path, options)));
}

function openStudent(path: string, { stage, network: given, device }: LoadStudentOptions): Student {
  if (typeof path !== 'string') throw new RetortError(`loadStudent: path: expected a text, got ${shown(path)}`);
  if (given !== undefined && !((given as unknown) instanceof Module)) {
    throw new RetortError(`loadStudent: network: expected a module, got ${shown(given)}`, {
      help: 'hand in an instance: { network: new MyNet() }',
    });
  }
  if (device !== undefined) requireDevice(device, 'loadStudent: device');
  const { info, file, weights } = findModel(path, { stage });
  const network = within(file, () => given ?? built(info, weights));
  loadNetwork(weights, network);
  if (device !== undefined) network.to({ device });
  return within(file, () => new Student(network, info, weights));
}

/** What is wrong with what a file says is said with the file. */
function within<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RetortError && !(error instanceof NetworkNeededError)) error.locate(file);
    throw error;
  }
}

function built({ network }: ModelInfo, weights: string): Network {
  const help = 'hand it in: loadStudent(path, { network: new MyNet() })';
  if (network === null) {
    throw new NetworkNeededError(`${weights}: its network was an object of a program, which no file can hold`, {
      code: 'unsupported',
      help,
    });
  }
  try {
    const model = buildModel(network, 'model.json: network');
    if (model instanceof Module) return model;
  } catch (cause) {
    if (!(cause instanceof RetortError) || cause.code !== 'unknown-name') throw cause;
    throw new NetworkNeededError(`${weights}: its network "${network.type}" is not one of Retort's`, {
      code: 'unknown-name',
      help,
      cause,
    });
  }
  throw new RetortError(`${weights}: its network is not a module`, { help });
}

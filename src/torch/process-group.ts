// Several processes that compute together, each on its share of the data (Gloo over TCP). All processes of a group must call the
// same collective operations in the same order, with tensors of the same shapes and dtypes; each call waits for all of them.
import { RetortError } from '../errors.ts';
import { noGrad, writeLists } from './autograd.ts';
import { tensorFromBytes } from './creation.ts';
import { native } from './native.ts';
import { ops } from './operators.ts';
import { tidy } from './scope.ts';
import type { Tensor } from './tensor.ts';

export interface ProcessGroupOptions {
  /** This process's number, from 0. */
  rank: number;
  /** How many processes there are. */
  worldSize: number;
  /** A port on the machine of rank 0 that is free. */
  port: number;
  /**
   * Where rank 0 runs. Default `'127.0.0.1'`: all on this machine. Otherwise `GLOO_SOCKET_IFNAME` names the network interface to
   * use; default: the one of this machine's host name.
   */
  address?: string;
  /** Seconds to wait for the others, when joining and in each operation. Default 1800. */
  timeout?: number;
}

export type Reduction = 'sum' | 'mean' | 'min' | 'max';

const headerLength = 9; // dimensions, then up to eight sizes

let current: ProcessGroup | undefined;

/** The group that this process has joined, if any. */
export function processGroup(): ProcessGroup | undefined {
  return current;
}

/**
 * Joins the other processes; waits until all are there.
 * @throws {RetortError} for numbers that make no sense, when they do not come in time, when this process is in a group already, or
 *   when libtorch was found without Gloo.
 */
export function joinProcessGroup(options: ProcessGroupOptions): ProcessGroup {
  const { rank, worldSize, port, address = '127.0.0.1', timeout = 1800 } = options;
  const whole = (name: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    throw new RetortError(`joinProcessGroup: ${name} must be a whole number from ${least} to ${most}, got ${value}`);
  };
  whole('worldSize', worldSize, 1, 4096);
  whole('rank', rank, 0, worldSize - 1);
  whole('port', port, 1, 65_535);
  if (!(timeout > 0)) throw new RetortError(`joinProcessGroup: timeout must be more than 0 seconds, got ${timeout}`);
  if (current !== undefined) throw new RetortError('joinProcessGroup: this process is in a group already');
  if (!native().info().processes) {
    throw new RetortError('joinProcessGroup: the addon was built without Gloo', {
      help: "install Gloo's headers (apt-get install libgloo-dev) and build again: `retort setup`; `retort doctor` says more",
    });
  }
  try {
    native().joinGroup(address, port, rank, worldSize, Math.ceil(timeout * 1000));
  } catch (cause) {
    throw new RetortError(
      `joinProcessGroup: process ${rank} of ${worldSize} did not find the others at ${address}:${port}: ${firstLine(cause)}`,
      {
        help: 'start all processes with the same address, port and worldSize; is the port free, and not shut off?',
        cause,
      },
    );
  }
  current = new ProcessGroup(rank, worldSize);
  return current;
}

/**
 * The group that the environment describes: `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT`, as torchrun and most
 * schedulers set them. Undefined unless all four are there and there is more than one process.
 */
export function groupFromEnvironment(env: NodeJS.ProcessEnv = process.env): ProcessGroupOptions | undefined {
  const { RANK: rank, WORLD_SIZE: size, MASTER_ADDR: address, MASTER_PORT: port } = env;
  if (rank === undefined || size === undefined || address === undefined || port === undefined) return undefined;
  if (Number(size) === 1) return undefined;
  return { rank: Number(rank), worldSize: Number(size), address, port: Number(port) };
}

/** Joins the group of {@link groupFromEnvironment}; undefined where there is none. Waits for the other processes. */
export function joinFromEnvironment(env: NodeJS.ProcessEnv = process.env): ProcessGroup | undefined {
  const group = groupFromEnvironment(env);
  return group && joinProcessGroup(group);
}

export class ProcessGroup {
  readonly rank: number;
  readonly worldSize: number;

  constructor(rank: number, worldSize: number) {
    this.rank = rank;
    this.worldSize = worldSize;
  }

  /**
   * Reduces tensors of one dtype over all processes, in place; many small ones travel as one. All processes end with the same bits.
   * Not differentiated.
   */
  allReduce_(tensors: readonly Tensor[], reduction: Reduction = 'sum'): void {
    if (tensors.length === 0) return;
    inPlace(tensors, (flat) => {
      this.#call('allReduce', [flat], () => native().allReduce(reduction === 'mean' ? 'sum' : reduction));
      if (reduction === 'mean') flat.div_(this.worldSize);
    });
  }

  /** Gives all processes the values that `root` has, in place; tensors of one dtype. */
  broadcast_(tensors: readonly Tensor[], root = 0): void {
    if (tensors.length === 0) return;
    inPlace(tensors, (flat) => this.#call('broadcast', [flat], () => native().broadcast(root)));
  }

  /** The tensors of all processes, by rank. They may differ in shape, not in dtype. Not differentiated. */
  allGather(tensor: Tensor): Tensor[] {
    return noGrad(() =>
      tidy(() => {
        const { shape } = tensor;
        if (shape.length >= headerLength) {
          throw new RetortError(`ProcessGroup.allGather: at most ${headerLength - 1} dimensions, got ${shape.length}`);
        }
        const header = [shape.length, ...shape];
        const shapes = this.#gather(longs([...header, ...Array<number>(headerLength - header.length).fill(0)])).map(
          (one) => {
            const [dimensions, ...sizes] = Array.from(one.data(), Number);
            return sizes.slice(0, dimensions);
          },
        );
        const counts = shapes.map((sizes) => sizes.reduce((product, size) => product * size, 1));
        const longest = Math.max(...counts);
        const flat = tensor.detach().reshape([-1]);
        const padded = ops.cat([flat, ops.zeros([longest - tensor.numel], { dtype: tensor.dtype })]);
        return this.#gather(padded).map((one, i) => one.narrow(0, 0, counts[i]!).reshape(shapes[i]!).clone());
      }),
    );
  }

  /** What all processes give, by rank; anything that JSON can hold. */
  allGatherObject<T>(value: T): T[] {
    return tidy(() => {
      const bytes = Buffer.from(JSON.stringify(value) ?? 'null');
      const gathered = this.allGather(tensorFromBytes(bytes, 'uint8', [bytes.length]));
      return gathered.map((one) => JSON.parse(Buffer.from(one.data() as Uint8Array).toString('utf8')) as T);
    });
  }

  /**
   * The tensors of all processes, one behind the other: `(N, ...)` to `(sum of N, ...)`. Differentiated: each process gets the sum
   * of the gradients that all processes have for its part.
   */
  concat(tensor: Tensor): Tensor {
    return tidy(() => {
      const parts = this.allGather(tensor);
      const all = ops.cat(parts.map((part, rank) => (rank === this.rank ? tensor : part)));
      if (all.requiresGrad) {
        all.registerHook((gradient) => {
          const sum = gradient.clone();
          this.allReduce_([sum]);
          return sum;
        });
      }
      return all;
    });
  }

  /** Runs `body` as if this process were alone, without the others: {@link processGroup} is undefined meanwhile. */
  alone<T>(body: () => T): T {
    const before = current;
    current = undefined;
    try {
      return body();
    } finally {
      current = before;
    }
  }

  /** Waits until all processes have come here. */
  barrier(): void {
    tidy(() => void this.#gather(longs([0])));
  }

  /** Leaves the group; what the others call from now on fails. */
  leave(): void {
    if (current !== this) return;
    current = undefined;
    native().leaveGroup();
  }

  [Symbol.dispose](): void {
    this.leave();
  }

  /** Tensors of one shape. */
  #gather(tensor: Tensor): Tensor[] {
    const outputs = Array.from({ length: this.worldSize }, () => ops.emptyLike(tensor));
    this.#call('allGather', [tensor, ...outputs], () => native().allGather());
    return outputs;
  }

  #call(operation: string, tensors: readonly Tensor[], call: () => void): void {
    if (current !== this) throw new RetortError(`ProcessGroup.${operation}: the group was left`);
    writeLists(tensors);
    try {
      call();
    } catch (cause) {
      throw new RetortError(
        `ProcessGroup.${operation}: process ${this.rank} of ${this.worldSize} lost another one: ${firstLine(cause)}`,
        { help: 'it has ended, or does not answer in time: what it printed says why', cause },
      );
    }
  }
}

/** Elements that travel at once, unless a single tensor has more: what is copied for it stays small. */
const bucket = 2 ** 23;

/** Runs `body` on flat tensors with the values of several, and puts what it leaves there back. */
function inPlace(tensors: readonly Tensor[], body: (flat: Tensor) => void): void {
  const buckets: Tensor[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    if (buckets.length === 0 || tensor.numel > room) {
      buckets.push([]);
      room = bucket;
    }
    buckets.at(-1)!.push(tensor);
    room -= tensor.numel;
  }
  for (const together of buckets) {
    noGrad(() =>
      tidy(() => {
        const flat = ops.cat(together.map((tensor) => tensor.detach().reshape([-1])));
        body(flat);
        const parts = flat.splitWithSizes(together.map((tensor) => tensor.numel));
        together.forEach((tensor, i) => void tensor.copy_(parts[i]!.reshape(tensor.shape)));
      }),
    );
  }
}

function longs(values: readonly number[]): Tensor {
  const data = BigInt64Array.from(values, BigInt);
  return tensorFromBytes(new Uint8Array(data.buffer), 'int64', [values.length]);
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0]!;
}

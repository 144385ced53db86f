// Several processes that compute together, each on its share of the data: Gloo over TCP, and NCCL for tensors on CUDA where it is
// there. All processes of a group must call the same collective operations in the same order, with tensors of the same sizes and dtypes;
// each call waits for all of them. Gloo itself ends a process whose sizes differ, or takes one number for another, so the processes tell
// each other first what they call.
import { didYouMean, RetortError } from '../errors.ts';
import { noGrad, writeLists } from './autograd.ts';
import { tensorFromBytes } from './creation.ts';
import { isCuda } from './device.ts';
import { dtypeName, dtypeNumber } from './dtype.ts';
import type { DType } from './dtype.ts';
import { groupFromEnvironment } from './launchers.ts';
import { during } from './modes.ts';
import { doctorCommand, native, setupCommand } from './native.ts';
import { ops } from './operators.ts';
import { tidy } from './scope.ts';
import type { Tensor } from './tensor.ts';

/** Options of {@link joinProcessGroup}. */
export interface ProcessGroupOptions {
  /** This process's number, from 0. */
  rank: number;
  /** How many processes there are. */
  worldSize: number;
  /** A port on the machine of rank 0 that is free. */
  port: number;
  /**
   * Where rank 0 runs. Default `'127.0.0.1'`: all on this machine. Otherwise `GLOO_SOCKET_IFNAME` names the network interface to
   * use; default: the one that leads there, and for rank 0 the one that has that address.
   */
  address?: string;
  /** Seconds to wait for the others, when joining and in each operation. Default 1800. */
  timeout?: number;
  /**
   * Whether processes compare what they call before they exchange anything: processes that disagree get an error, where Gloo would
   * end them. It costs one small message for each exchange. Default true; `RETORT_CHECK_COLLECTIVES=0` makes it false.
   */
  check?: boolean;
  /** Whether waiting for the others ends with the process that started this one. Default false. */
  endsWithParent?: boolean;
}

const reductions = ['sum', 'mean', 'min', 'max'] as const;
/** How the values of several processes become one. */
export type Reduction = (typeof reductions)[number];

const operations = ['allReduce', 'broadcast', 'allGather', 'barrier'] as const;
type Operation = (typeof operations)[number];

/** What a process says it is about to do. */
interface Announcement {
  operation: Operation;
  dtype: DType;
  /** The number of the reduction, or the root. */
  detail: number;
  /** One size where tensors travel flat. */
  shape: readonly number[];
  /** Whether its tensors are on CUDA, which may be exchanged in another way. */
  cuda?: boolean;
}

const mostDimensions = 8;

let current: ProcessGroup | undefined;

/** Returns the one before. */
function replaceCurrent(group: ProcessGroup | undefined): ProcessGroup | undefined {
  const before = current;
  current = group;
  return before;
}

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
  const { check = process.env['RETORT_CHECK_COLLECTIVES'] !== '0', endsWithParent = false } = options;
  const requireInteger = (name: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    throw new RetortError(`joinProcessGroup: ${name}: expected an integer from ${least} to ${most}, got ${value}`);
  };
  requireInteger('worldSize', worldSize, 1, 4096);
  requireInteger('rank', rank, 0, worldSize - 1);
  requireInteger('port', port, 1, 65_535);
  if (!(timeout > 0)) throw new RetortError(`joinProcessGroup: timeout: expected more than 0 seconds, got ${timeout}`);
  if (current !== undefined)
    throw new RetortError('joinProcessGroup: this process is already in a group', { code: 'invalid-state' });
  if (!native().info().processes) {
    throw new RetortError('joinProcessGroup: the addon was built without Gloo', {
      code: 'engine-missing',
      help: `install Gloo's headers (apt-get install libgloo-dev) and build again: \`${setupCommand()}\`; \`${doctorCommand()}\` says more`,
    });
  }
  try {
    native().joinGroup(address, port, rank, worldSize, Math.ceil(timeout * 1000), endsWithParent);
  } catch (cause) {
    throw new RetortError(
      `joinProcessGroup: process ${rank} of ${worldSize} did not find the others at ${address}:${port}: ${firstLine(cause)}`,
      {
        code: 'process-group',
        help: 'start all processes with the same address, port and worldSize; check that the port is free and not blocked by a firewall',
        cause,
      },
    );
  }
  current = new ProcessGroup(rank, worldSize, check);
  return current;
}

/** Joins the group of {@link groupFromEnvironment}; undefined where there is none. Waits for the other processes. */
export function joinFromEnvironment(env: NodeJS.ProcessEnv = process.env): ProcessGroup | undefined {
  const group = groupFromEnvironment(env);
  return group && joinProcessGroup(group);
}

/** The processes that have joined one another; made by {@link joinProcessGroup}. */
export class ProcessGroup {
  readonly rank: number;
  readonly worldSize: number;
  readonly #check: boolean;

  constructor(rank: number, worldSize: number, check = true) {
    this.rank = rank;
    this.worldSize = worldSize;
    this.#check = check;
  }

  /**
   * Reduces tensors of one dtype over all processes, in place; many small ones travel as one. All processes end with the same bits.
   * Half-precision tensors are added up in float32. Not differentiated.
   * @throws {RetortError} for an unknown reduction, `mean` of integers, booleans and complex numbers, and processes that call something else.
   */
  allReduce_(tensors: readonly Tensor[], reduction: Reduction = 'sum'): void {
    if (tensors.length === 0) return;
    const detail = reductions.indexOf(reduction);
    if (detail === -1) {
      throw new RetortError(
        `ProcessGroup.allReduce_: unknown reduction "${String(reduction)}"; ${didYouMean(String(reduction), reductions)}`,
        { code: 'unknown-name' },
      );
    }
    const dtype = oneDType('allReduce_', tensors);
    if (/^(bool|complex)/.test(dtype) || (reduction === 'mean' && /^u?int/.test(dtype))) {
      throw new RetortError(
        `ProcessGroup.allReduce_: tensors: ${dtype} does not support the reduction "${reduction}"`,
        {
          help: "convert them first, such as with to('float32')",
        },
      );
    }
    inPlace(tensors, (flat) => {
      const wider = widened.get(dtype);
      const sent = wider === undefined ? flat : flat.to(wider);
      this.#announce({ operation: 'allReduce', dtype, detail, shape: [flat.numel], cuda: isCuda(flat.device) });
      this.#call('allReduce', [sent], () => native().allReduce(reduction === 'mean' ? 'sum' : reduction));
      if (reduction === 'mean') sent.div_(this.worldSize);
      if (wider !== undefined) flat.copy_(sent);
    });
  }

  /**
   * Gives all processes the values that `root` has, in place; tensors of one dtype.
   * @throws {RetortError} for a root that is not in the group, and processes that call something else.
   */
  broadcast_(tensors: readonly Tensor[], root = 0): void {
    if (!Number.isInteger(root) || root < 0 || root >= this.worldSize) {
      throw new RetortError(
        `ProcessGroup.broadcast_: root: expected an integer from 0 to ${this.worldSize - 1}, got ${root}`,
      );
    }
    if (tensors.length === 0) return;
    const dtype = oneDType('broadcast_', tensors);
    inPlace(tensors, (flat) => {
      this.#announce({ operation: 'broadcast', dtype, detail: root, shape: [flat.numel], cuda: isCuda(flat.device) });
      this.#call('broadcast', [bytesOf(flat)], () => native().broadcast(root));
    });
  }

  /** The tensors of all processes, by rank. They may differ in shape, not in dtype. Not differentiated. */
  allGather(tensor: Tensor): Tensor[] {
    return noGrad(() =>
      tidy(() => {
        const { shape, dtype } = tensor;
        if (shape.length > mostDimensions) {
          throw new RetortError(
            `ProcessGroup.allGather: tensor: expected at most ${mostDimensions} dimensions, got ${shape.length}`,
          );
        }
        const shapes = this.#exchange({ operation: 'allGather', dtype, detail: 0, shape, cuda: isCuda(tensor.device) });
        const counts = shapes.map((sizes) => sizes.reduce((product, size) => product * size, 1));
        const longest = Math.max(...counts);
        const flat = tensor.detach().reshape([-1]);
        const padded = ops.cat([flat, ops.zeros([longest - tensor.numel], { dtype, device: tensor.device })]);
        const outputs = this.#gather(padded);
        return outputs.map((one, i) => one.narrow(0, 0, counts[i]!).reshape(shapes[i]!).clone());
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
    return during('alone', body, { enter: () => replaceCurrent(undefined), leave: replaceCurrent });
  }

  /** Waits until all processes have come here. */
  barrier(): void {
    this.#exchange({ operation: 'barrier', dtype: 'int64', detail: 0, shape: [] });
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

  /** Tensors of one shape and dtype. */
  #gather(tensor: Tensor): Tensor[] {
    const outputs = Array.from({ length: this.worldSize }, () => ops.emptyLike(tensor));
    this.#call('allGather', [tensor, ...outputs].map(bytesOf), () => native().allGather());
    return outputs;
  }

  /** Compares what all processes are about to do, where that is asked for. */
  #announce(announcement: Announcement): void {
    if (this.#check) this.#exchange(announcement);
  }

  /** The shapes that all processes announce, by rank. @throws {RetortError} where they are not about to do the same. */
  #exchange(own: Announcement): number[][] {
    const all = tidy(() => this.#gather(longs(encoded(own))).map((one) => decoded(Array.from(one.data(), Number))));
    const differs = ({ operation, dtype, detail, shape, cuda = false }: Announcement): boolean =>
      operation !== own.operation ||
      cuda !== (own.cuda ?? false) ||
      dtype !== own.dtype ||
      detail !== own.detail ||
      (operation !== 'allGather' && shape.join() !== own.shape.join());
    const other = all.findIndex(differs);
    if (other === -1) return all.map(({ shape }) => [...shape]);
    throw new RetortError(
      `ProcessGroup: the processes disagree: process ${this.rank} calls ${shownCall(own)}, process ${other} ${shownCall(all[other]!)}`,
      {
        code: 'process-group',
        help: 'all processes must call the same operations in the same order, with tensors of the same sizes and dtypes',
      },
    );
  }

  #call(operation: string, tensors: readonly Tensor[], call: () => void): void {
    if (current !== this)
      throw new RetortError(`ProcessGroup.${operation}: the group was left`, { code: 'invalid-state' });
    // Without NCCL what is on CUDA goes through the CPU.
    const staged = isCuda(tensors[0]!.device) && !native().info().nccl;
    const sent = staged ? tensors.map((tensor) => tensor.to({ device: 'cpu' })) : tensors;
    writeLists(sent);
    try {
      call();
      if (staged) tensors.forEach((tensor, i) => void tensor.copy_(sent[i]!));
    } catch (cause) {
      throw new RetortError(
        `ProcessGroup.${operation}: process ${this.rank} of ${this.worldSize} lost another one: ${firstLine(cause)}`,
        { code: 'process-group', help: 'it has ended, or does not answer in time: what it printed says why', cause },
      );
    }
  }
}

/** Operation, dtype, detail, whether on CUDA, number of dimensions, then the sizes: of one length, whatever is announced. */
function encoded({ operation, dtype, detail, shape, cuda = false }: Announcement): number[] {
  const sizes = [...shape, ...Array<number>(mostDimensions - shape.length).fill(0)];
  return [operations.indexOf(operation), dtypeNumber(dtype)!, detail, Number(cuda), shape.length, ...sizes];
}

function decoded([operation = 0, dtype = 0, detail = 0, cuda = 0, dimensions = 0, ...sizes]: number[]): Announcement {
  const shape = sizes.slice(0, dimensions);
  return { operation: operations[operation]!, dtype: dtypeName(dtype), detail, shape, cuda: cuda === 1 };
}

function shownCall({ operation, dtype, detail, shape, cuda = false }: Announcement): string {
  if (operation === 'barrier') return 'barrier()';
  const how =
    operation === 'allReduce' ? `, ${reductions[detail]}` : operation === 'broadcast' ? `, root ${detail}` : '';
  return `${operation}(${dtype}[${shape.join(', ')}]${cuda ? ' on cuda' : ''}${how})`;
}

/** @throws {RetortError} unless all tensors are of one dtype. */
function oneDType(operation: string, tensors: readonly Tensor[]): DType {
  const [{ dtype }, ...rest] = tensors as readonly [Tensor, ...Tensor[]];
  const other = rest.find((tensor) => tensor.dtype !== dtype);
  if (other === undefined) return dtype;
  throw new RetortError(
    `ProcessGroup.${operation}: tensors: expected a single dtype, got ${dtype} and ${other.dtype}`,
    {
      help: 'call it once for each dtype',
    },
  );
}

/** What is reduced in another element type: those that Gloo does not add up, or only in half precision. */
const widened: ReadonlyMap<DType, DType> = new Map([
  ['bfloat16', 'float32'],
  ['float16', 'float32'],
  ['int16', 'int32'],
]);

/** The same memory as bytes: Gloo does not know every element type, and where values only travel it need not. */
function bytesOf(flat: Tensor): Tensor {
  return flat.dtype === 'uint8' ? flat : flat.view('uint8');
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

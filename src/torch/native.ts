// The addon: where it is, how it is loaded, and the functions it has. Loaded on first use, so that tools which only read
// configs work on a machine without libtorch.
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';

import { doctorCommand, explain, findAddon, setupCommand } from '../../tools/addon-file.mjs';
import { RetortError } from '../errors.ts';
import { readText } from '../files.ts';
import { version } from '../version.ts';
import { translated } from './engine-errors.ts';

/** A tensor as a number: slot and generation in the addon's table; 0 is no tensor. */
export type Handle = number;

export interface NativeArgument {
  name: string;
  kind: number;
  type: string;
  optional: boolean;
  kwargOnly: boolean;
  hasDefault: boolean;
  /** The N of `int[N]`; 0 for a list of any length, and for no list. */
  size: number;
  /** Whether the default is an empty list, which may then be given whatever `size` says. */
  maybeEmpty: boolean;
  written: boolean;
}

export interface NativeOverload {
  id: number;
  overload: string;
  arguments: NativeArgument[];
  returns: NativeArgument[];
  returnsSelf: boolean;
}

/** The memory of the call buffer as it is now; it is replaced when the buffer grows. */
export interface SharedCallBuffer {
  readonly numbers: Float64Array;
  readonly bits: BigInt64Array;
}

export interface Native {
  callBuffer(): SharedCallBuffer;
  reserveCallBuffer(length: number): void;
  intern(text: string): number;
  enterScope(): void;
  exitScope(): void;
  escape(handle: Handle): boolean;
  moveTo(handle: Handle, scope: number): boolean;
  currentScope(): number;
  openAsyncScope(): number;
  selectAsyncScope(scope: number): void;
  closeAsyncScope(scope: number): void;
  beginThreads(count: number): void;
  setThreads(count: number): void;
  info(): {
    version: string;
    cuda: boolean;
    cudaBuilt: boolean;
    cudaDevices: number;
    threads: number;
    environments: number;
    processes: boolean;
    nccl: boolean;
  };
  memory(): { tensors: number; bytes: number; peakBytes: number; cachedBytes: number };
  resetPeakMemory(): void;
  emptyCache(): void;
  liveTensors(): { handle: Handle; origin: string; dtype: number; shape: string }[];
  call(): string | undefined;
  describe(name: string): NativeOverload[];
  operatorNames(): string[];
  dispose(handle: Handle): void;
  detach(handle: Handle): Handle;
  setData(handle: Handle, other: Handle): void;
  isLive(handle: Handle): boolean;
  box(handle: Handle): object;
  describeTensor(handle: Handle): void;
  item(handle: Handle): void;
  fromBytes(bytes: Uint8Array, dtype: number): void;
  blank(dtype: number): void;
  toBytes(handle: Handle, into: ArrayBuffer): void;
  writeBytes(handle: Handle, offset: number, bytes: Uint8Array): void;
  setRequiresGrad(handle: Handle, value: boolean): void;
  gradOf(handle: Handle): Handle;
  setGrad(handle: Handle, gradient: Handle): void;
  retainGrad(handle: Handle): void;
  grads(): void;
  clearGrads(): void;
  backward(retainGraph: boolean, createGraph: boolean): void;
  grad(retainGraph: boolean, createGraph: boolean, allowUnused: boolean): void;
  setGradEnabled(value: boolean): boolean;
  gradEnabled(): boolean;
  enterInference(): void;
  exitInference(): void;
  setAutocast(state: number, cuda: boolean): number;
  registerHook(handle: Handle, hook: (gradient: Handle) => Handle): number;
  removeHook(handle: Handle, position: number): void;
  handOverHooks(always: boolean): void;
  manualSeed(seed: bigint): void;
  createGenerator(seed: bigint): number;
  boxGenerator(generator: number): object;
  seedGenerator(generator: number, seed: bigint): void;
  generatorState(generator: number): Handle;
  setGeneratorState(generator: number, state: Handle): void;
  cudaRandomState(device: number): Handle;
  setCudaRandomState(device: number, state: Handle): void;
  joinGroup(
    address: string,
    port: number,
    rank: number,
    worldSize: number,
    timeoutMs: number,
    endsWithParent: boolean,
  ): void;
  leaveGroup(): void;
  allReduce(reduction: string): void;
  broadcast(root: number): void;
  allGather(): void;
}

/** What to type where this process runs. */
export { doctorCommand, setupCommand };

let loaded: Native | undefined;

/** The addon. @throws {RetortError} when it is not built or libtorch cannot be loaded. */
export function native(): Native {
  return loaded ?? load();
}

/** Whether the addon is in use yet. */
export function isLoaded(): boolean {
  return loaded !== undefined;
}

function load(): Native {
  const search = findAddon(version);
  if (search.chosen === undefined) {
    const { message, help } = explain(search);
    throw new RetortError(message, { code: 'engine-missing', help });
  }
  const { file } = search.chosen;
  tuneBlas();
  // UCX, which libtorch 2.6 of Debian 13 brings along, takes SIGHUP for its own when it is loaded: a closed terminal could then not
  // save a run.
  process.env['UCX_DEBUG_SIGNO'] ??= '0';
  let addon: Native;
  try {
    addon = createRequire(file)(file) as Native;
  } catch (cause) {
    throw new RetortError(`the native addon ${file} does not load: ${(cause as Error).message}`, {
      code: 'engine-missing',
      help: `\`${doctorCommand()}\` says what is missing; \`${setupCommand()}\` brings it`,
      cause,
    });
  }
  // Debian's libtorch would take half of the processors, or one.
  addon.beginThreads(givenThreads() ?? availableParallelism());
  loaded = withOurErrors(addon);
  return loaded;
}

/** These are called at every turn and throw nothing of libtorch: they are left as they are. */
const bare: ReadonlySet<string> = new Set<keyof Native>([
  'box',
  'call',
  'currentScope',
  'dispose',
  'enterScope',
  'escape',
  'exitScope',
  'isLive',
  'selectAsyncScope',
]);

/** The addon, with what its functions throw turned into errors of ours: in one place, so that none is forgotten. */
function withOurErrors(addon: Native): Native {
  const functions = Object.entries(addon) as [string, (...args: unknown[]) => unknown][];
  const wrapped = functions.map(([name, run]) => {
    const guarded = (...args: unknown[]): unknown => {
      try {
        return run(...args);
      } catch (error) {
        throw translated(error);
      }
    };
    return [name, bare.has(name) ? run : guarded] as const;
  });
  return Object.fromEntries(wrapped) as unknown as Native;
}

/** What `RETORT_THREADS` says; undefined where it is not set. */
export function givenThreads(): number | undefined {
  const text = process.env['RETORT_THREADS'];
  if (text === undefined || text === '') return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) {
    throw new RetortError(`RETORT_THREADS: expected an integer of at least 1, got "${text}"`);
  }
  return count;
}

/**
 * Debian's OpenBLAS takes new AMD processors for Haswell and leaves half of their speed; told otherwise before it loads,
 * linear layers are up to 3.3 times as fast. Only where the processor has AVX-512, and never against the user's word.
 */
function tuneBlas(): void {
  if (process.env['OPENBLAS_CORETYPE'] !== undefined || process.env['RETORT_TUNE_BLAS'] === '0') return;
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  let flags: Set<string>;
  try {
    flags = new Set(/^flags\s*:(.*)$/m.exec(readText('/proc/cpuinfo'))?.[1]?.split(' '));
  } catch {
    return;
  }
  if (['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'].every((flag) => flags.has(flag))) {
    process.env['OPENBLAS_CORETYPE'] = 'SKYLAKEX';
  }
}

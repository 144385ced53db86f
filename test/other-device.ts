// A device that is imitated, so that code which would fail on CUDA fails here, without a graphics card. libtorch's own device without
// memory, `meta`, does not do: in version 1.13 it has no convolutions, norms or `where`, and takes a CPU tensor in a product without a
// word. So everything is computed on the CPU, and of each tensor it is known where it would be: on the other device is what was moved
// there, made there (`device: x.device`) or computed from what is there. As on CUDA, an operator that gets tensors of both is an error.
import { camelCase } from '../src/check.ts';
import type { Module } from '../src/nn/index.ts';
import { callOperator, Tensor, tensorsIn } from '../src/torch/index.ts';
import { setData, traceOperators } from '../src/torch/internal.ts';
import type { TracedCall } from '../src/torch/internal.ts';
import type { Native } from '../src/torch/native.ts';
import { native } from '../src/torch/native.ts';
import { callBufferFor } from '../src/torch/call-buffer.ts';

/** What code sees as the device's name. */
const other = 'meta';

/** Copy between devices. */
const copying = new Set(['copy_', 'copy', 'to', '_to_copy']);
/** Take indices of the CPU too. */
const indexing = new Set(['index', 'index_put', 'index_put_', '_index_put_impl_']);
/** Take a scalar of the CPU too. */
const pointwise = new Set(
  [
    'add',
    'sub',
    'mul',
    'div',
    'rsub',
    'pow',
    'maximum',
    'minimum',
    'eq',
    'ne',
    'lt',
    'le',
    'gt',
    'ge',
    'masked_fill',
  ].flatMap((name) => [name, `${name}_`]),
);

/** While {@link onOtherDevice} runs. */
export interface OtherDevice {
  /** A module, or tensors in a value, moved: by `to`, as users do. Returns it; tensors that are leaves stay leaves. */
  move<T>(value: T): T;
  /** Whether a tensor is there. */
  has(tensor: Tensor): boolean;
}

/**
 * Runs `body` with an imitated device beside the CPU.
 * @returns how many tensors `body` returned
 * @throws {Error} where an operator gets tensors of both, or what `body` returns has a tensor that is not there; it names the operator.
 */
export function onOtherDevice(body: (device: OtherDevice) => unknown): number {
  const there = new Set<number>();
  const has = (tensor: Tensor): boolean => there.has(tensor.handle);
  const restore = [patchNative(there), patchDevice(has)];
  const device: OtherDevice = {
    has,
    move: (value) => {
      if (isModule(value)) value.to({ device: other });
      else for (const tensor of tensorsIn(value)) setData(tensor, tensor.detach().to({ device: other }));
      return value;
    },
  };
  try {
    const result = traceOperators(
      () => body(device),
      (call, proceed) => traced(call, proceed, there),
    );
    const all = tensorsIn(result);
    const left = all.filter((tensor) => !has(tensor));
    if (left.length > 0) throw new Error(`${left.length} of the results are on the CPU, such as ${String(left[0])}`);
    return all.length;
  } finally {
    for (const put of restore) put();
  }
}

const isModule = (value: unknown): value is Module =>
  typeof value === 'object' && value !== null && 'namedParameters' in value;

/** Runs an operator on the CPU, and notes where its result would be. */
function traced(call: TracedCall, proceed: () => unknown, there: Set<number>): unknown {
  const { operator, args } = call;
  const asked = args.get('device') as string | undefined;
  const given = [...args].flatMap(([name, value]) => tensorsIn(value).map((tensor) => [name, tensor] as const));
  const isThere = given.map(([, tensor]) => there.has(tensor.handle));
  const mixed = isThere.includes(true) && isThere.includes(false) && !copying.has(operator);
  if (mixed) {
    const wrong = given.find(([name, { ndim }], i) => {
      if (isThere[i]!) return false;
      if (indexing.has(operator)) return name !== 'indices';
      return !(pointwise.has(operator) && ndim === 0);
    });
    if (wrong !== undefined) {
      const all = given.map(
        ([name, { shape }], i) => `${name} [${shape.join(', ')}] on ${isThere[i]! ? other : 'cpu'}`,
      );
      throw new Error(`${operator} gets tensors of two devices: ${all.join('; ')}`);
    }
  }
  const result = asked === other ? onCpu(call, proceed) : proceed();
  const inside =
    asked === undefined ? (operator.startsWith('copy') ? isThere[0]! : isThere.includes(true)) : asked === other;
  for (const tensor of tensorsIn(result)) if (inside) there.add(tensor.handle);
  return result;
}

/** The call with the CPU in place of the other device. */
function onCpu({ operator, args }: TracedCall, proceed: () => unknown): unknown {
  const options = Object.fromEntries([...args].map(([name, value]) => [camelCase(name), value]));
  const made = callOperator(operator, [{ ...options, device: 'cpu' }]) as Tensor;
  if (args.has('self')) return made;
  const empty = proceed() as Tensor; // knows whether a gradient is required
  if (empty.requiresGrad) made.requiresGrad_();
  empty.dispose();
  return made;
}

/** What makes tensors of others without an operator. */
function patchNative(there: Set<number>): () => void {
  const addon = native();
  const before = { ...addon };
  const alike = (from: number, made: number): number => {
    if (made !== 0 && there.has(from)) there.add(made);
    return made;
  };
  const gradients = (): void => {
    const buffer = callBufferFor(0, 0);
    for (const handle of buffer.subarray(1, 1 + buffer[0]!)) if (handle !== 0) there.add(handle);
  };
  const patched: Partial<Native> = {
    detach: (handle) => alike(handle, before.detach(handle)),
    gradOf: (handle) => alike(handle, before.gradOf(handle)),
    grads: () => (before.grads(), gradients()),
    grad: (...options) => (before.grad(...options), gradients()),
    setData: (handle, source) => {
      before.setData(handle, source);
      if (there.has(source)) there.add(handle);
      else there.delete(handle);
    },
    registerHook: (handle, hook) => before.registerHook(handle, (gradient) => hook(alike(handle, gradient))),
  };
  Object.assign(addon, patched);
  return () => void Object.assign(addon, before);
}

function patchDevice(has: (tensor: Tensor) => boolean): () => void {
  const before = Object.getOwnPropertyDescriptor(Tensor.prototype, 'device')!;
  Object.defineProperty(Tensor.prototype, 'device', {
    ...before,
    get(this: Tensor) {
      return has(this) ? other : before.get!.call(this);
    },
  });
  return () => void Object.defineProperty(Tensor.prototype, 'device', before);
}

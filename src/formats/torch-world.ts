// What the names in a file of PyTorch mean: the allow-list. A name that is in no table is refused, all of them in one error, or (with
// `skipUnknown`) makes an inert object. Nothing here calls anything but the functions of this file.

import type { Fail } from './format-error.ts';
import {
  buildArray,
  buildDType,
  NumpyArray,
  NumpyDType,
  numpyDType,
  numpyFromBuffer,
  numpyScalar,
} from './numpy-objects.ts';
import { type PickleBudget, PickleGlobal, PickleObject, type PickleValue, type PickleWorld } from './pickle.ts';
import { quote } from './format-error.ts';
import { type StorageSource, torchItemSize, TorchStorage, TorchTensor } from './torch-tensor.ts';

/** Element types by the classes of typed storages. */
const storageDTypes: Readonly<Record<string, string>> = {
  BoolStorage: 'bool',
  ByteStorage: 'uint8',
  CharStorage: 'int8',
  ShortStorage: 'int16',
  IntStorage: 'int32',
  LongStorage: 'int64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  ComplexFloatStorage: 'complex64',
  ComplexDoubleStorage: 'complex128',
  UntypedStorage: 'uint8',
  _UntypedStorage: 'uint8',
};

/** Classes whose objects are kept as data: what they were made of, their state, their items. */
const inertClasses: ReadonlySet<string> = new Set([
  'addict.addict.Dict',
  'addict.Dict',
  'argparse.Namespace',
  'builtins.complex',
  'builtins.object',
  'builtins.range',
  'builtins.slice',
  'collections.deque',
  'datetime.date',
  'datetime.datetime',
  'datetime.time',
  'datetime.timedelta',
  'datetime.timezone',
  'decimal.Decimal',
  'fractions.Fraction',
  'mmcv.utils.config.Config',
  'mmcv.utils.config.ConfigDict',
  'mmengine.config.config.Config',
  'mmengine.config.config.ConfigDict',
  'mmengine.config.Config',
  'mmengine.config.ConfigDict',
  'mmengine.logging.history_buffer.HistoryBuffer',
  'pathlib.Path',
  'pathlib.PosixPath',
  'pathlib.PurePath',
  'pathlib.PurePosixPath',
  'pathlib.PureWindowsPath',
  'pathlib.WindowsPath',
  'pathlib._local.PosixPath',
  'pathlib._local.WindowsPath',
  'types.SimpleNamespace',
  'uuid.UUID',
]);

/** Names that are kept as names: types as factories of dicts, classes of tensors. */
const plainNames: ReadonlySet<string> = new Set([
  'builtins.bool',
  'builtins.float',
  'builtins.int',
  'builtins.str',
  'numpy.ndarray',
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'torch.nn.Parameter',
]);

/** Tensors that are none of plain memory: refused by name. */
const otherTensors: Readonly<Record<string, string>> = {
  'torch._utils._rebuild_qtensor': 'quantized',
  'torch._utils._rebuild_sparse_tensor': 'sparse',
  'torch._utils._rebuild_sparse_csr_tensor': 'sparse',
  'torch._utils._rebuild_nested_tensor': 'nested',
  'torch._utils._rebuild_meta_tensor_no_storage': 'meta',
  'torch._utils._rebuild_device_tensor_from_numpy': 'XLA or other accelerator',
  'torch._utils._rebuild_device_tensor_from_cpu_tensor': 'XLA or other accelerator',
  'torch._utils._rebuild_wrapper_subclass': 'wrapped',
};

type Call = (world: TorchWorld, args: PickleValue[]) => PickleValue;

const first = (_: TorchWorld, args: PickleValue[]): PickleValue => args[0] ?? null;
const dict = (world: TorchWorld, args: PickleValue[]): PickleValue => world.mapOf(args[0]);

/** Functions and classes that have a meaning here. */
const calls: Readonly<Record<string, Call>> = {
  'torch._utils._rebuild_tensor': (world, args) => world.tensor(args),
  'torch._utils._rebuild_tensor_v2': (world, args) => world.tensor(args, args[6]),
  'torch._utils._rebuild_tensor_v3': (world, args) => world.tensor(args, args[7], args[6]),
  'torch._utils._rebuild_parameter': first,
  'torch._utils._rebuild_parameter_with_state': first,
  'torch._tensor._rebuild_from_type_v2': (world, [callee, , args]) =>
    callee instanceof PickleGlobal && Array.isArray(args) ? world.call(callee, args) : null,
  'torch.nn.parameter.Parameter': first,
  'torch.nn.Parameter': first,
  'torch.Size': (_, args) => args[0] ?? [],
  'torch.device': (_, [type, index]) =>
    typeof type === 'string' && typeof index === 'number' ? `${type.slice(0, 20)}:${index}` : (type ?? null),
  'torch.jit._pickle.build_boollist': first,
  'torch.jit._pickle.build_doublelist': first,
  'torch.jit._pickle.build_intlist': first,
  'torch.jit._pickle.build_tensorlist': first,
  'torch.jit._pickle.build_tensor_from_id': first,
  'torch.jit._pickle.restore_type_tag': first,
  'collections.OrderedDict': dict,
  'collections.Counter': dict,
  'collections.defaultdict': (world, args) => world.mapOf(args[1]),
  'builtins.dict': dict,
  'builtins.list': (_, args) => args[0] ?? [],
  'builtins.tuple': (_, args) => args[0] ?? [],
  'builtins.set': (world, args) => world.setOf(args[0]),
  'builtins.frozenset': (world, args) => world.setOf(args[0]),
  'builtins.bytearray': (world, args) => world.bytesOf(args),
  'builtins.bytes': (world, args) => world.bytesOf(args),
  'builtins.getattr': (world, args) => world.attribute(args),
  '_codecs.encode': (world, args) => world.bytesOf(args),
  'copyreg._reconstructor': (world, [callee]) => world.object(callee, []),
  'copyreg.__newobj__': (world, [callee, ...args]) => world.object(callee, args),
  'numpy.dtype': (world, args) => numpyDType(args, world),
  'numpy.core.multiarray.scalar': (world, args) => numpyScalar(args, world),
  'numpy.core.multiarray._reconstruct': () => new NumpyArray(),
  'numpy.core.numeric._frombuffer': (world, args) => numpyFromBuffer(args, world),
};

/** Older and newer spellings. */
function spelling(module: string, name: string): string {
  const modules: Readonly<Record<string, string>> = {
    __builtin__: 'builtins',
    copy_reg: 'copyreg',
    'numpy._core.multiarray': 'numpy.core.multiarray',
    'numpy._core.numeric': 'numpy.core.numeric',
    'torch.cuda': 'torch',
    'torch.storage': 'torch',
    'torch.tensor': 'torch._tensor',
  };
  const known = Object.hasOwn(modules, module) ? modules[module]! : module;
  const renamed =
    known === 'builtins' && name === 'unicode' ? 'str' : known === 'builtins' && name === 'long' ? 'int' : name;
  return `${known}.${renamed}`;
}

export interface TorchWorldOptions {
  fail: Fail;
  budget: PickleBudget;
  source: StorageSource;
  /** Whether names that are not known make inert objects. */
  skipUnknown: boolean;
}

/** The meaning of names in one pickle of a file. */
export class TorchWorld implements PickleWorld {
  readonly fail: Fail;
  readonly budget: PickleBudget;
  readonly storages: Map<string, TorchStorage>;
  /** Names that are in no table, as they were found. */
  readonly unknown = new Set<string>();
  readonly #source: StorageSource;
  readonly #skipUnknown: boolean;
  #tensors = 0;

  constructor({ fail, budget, source, skipUnknown }: TorchWorldOptions, storages = new Map<string, TorchStorage>()) {
    this.fail = fail;
    this.budget = budget;
    this.storages = storages;
    this.#source = source;
    this.#skipUnknown = skipUnknown;
  }

  /** @throws FormatError `pickle` that names all that was not known. */
  refuseUnknown(): void {
    if (this.#skipUnknown || this.unknown.size === 0) return;
    const names = [...this.unknown];
    const shown = names
      .slice(0, 12)
      .map((name) => quote(name).slice(1, -1))
      .join(', ');
    const more = names.length > 12 ? `, ... (${names.length} in all)` : '';
    throw this.fail('pickle', `it has objects of classes that are not known here: ${shown}${more}`, {
      help: 'no code of a file is ever run. Read them as inert data with `skipUnknown: true` (`retort convert FILE NEW --skip-unknown`), or save the weights alone: torch.save(model.state_dict(), path)',
    });
  }

  global(module: string, name: string): PickleValue {
    const full = spelling(module, name);
    if (Object.hasOwn(otherTensors, full)) throw this.#otherTensor(otherTensors[full]!);
    const [, torchName] = /^torch\.(\w+)$/.exec(full) ?? [];
    if (torchName !== undefined) {
      if (/^Q\w+Storage$/.test(torchName)) throw this.#otherTensor('quantized');
      if (Object.hasOwn(storageDTypes, torchName)) return new PickleGlobal('torch', torchName);
      if (torchItemSize(torchName) !== undefined || isTypeName.test(torchName)) return `torch.${torchName}`;
    }
    const isClass = inertClasses.has(full) || full.startsWith('__torch__.');
    if (!isClass && !plainNames.has(full) && !Object.hasOwn(calls, full)) this.unknown.add(full);
    const dot = full.lastIndexOf('.');
    return new PickleGlobal(full.slice(0, dot), full.slice(dot + 1));
  }

  call(callee: PickleGlobal, args: PickleValue[]): PickleValue {
    const name = callee.toString();
    return Object.hasOwn(calls, name) ? calls[name]!(this, args) : this.object(callee, args);
  }

  /** An object of a class, as data. */
  object(callee: PickleValue | undefined, args: PickleValue[]): PickleValue {
    if (!(callee instanceof PickleGlobal)) throw this.fail('pickle', 'an object is made of what is no class');
    const name = callee.toString();
    if (Object.hasOwn(calls, name) && !name.startsWith('copyreg.')) return calls[name]!(this, args);
    if (!inertClasses.has(name) && !name.startsWith('__torch__.')) this.unknown.add(name);
    this.budget.take(4);
    return new PickleObject(name, args);
  }

  build(object: PickleValue, state: PickleValue): boolean {
    if (object instanceof PickleObject) object.state = state;
    else if (object instanceof NumpyDType) return buildDType(object, state);
    else if (object instanceof NumpyArray) return buildArray(object, state, this);
    // The attributes of a dict (such as `_metadata` of a state dict), of a tensor or a parameter are no part of its value.
    else
      return object instanceof Map || object instanceof Set || object instanceof TorchTensor || Array.isArray(object);
    return true;
  }

  /** `('storage', class, key, device, elements)` and, in old files, a view of it. */
  persistent(id: PickleValue): PickleValue {
    const wrong = (): Error => this.fail('pickle', 'a reference to something outside of the pickle that is no storage');
    if (!Array.isArray(id)) throw wrong();
    const [kind, type, keyValue, , count] = id;
    // Sources of classes, which old versions put beside their objects.
    if (kind === 'module') return type ?? null;
    if (kind !== 'storage' || !(type instanceof PickleGlobal)) throw wrong();
    const dtype =
      type.module === 'torch' && Object.hasOwn(storageDTypes, type.name) ? storageDTypes[type.name]! : undefined;
    if (dtype === undefined) throw this.fail('dtype', `a storage of the unknown class ${quote(type.toString())}`);
    const key = storageKey(keyValue);
    if (key === undefined || typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) throw wrong();
    if (id[5] !== undefined && id[5] !== null) {
      throw this.fail('pickle', 'views of storages, as PyTorch before 0.4 wrote them, are not read', {
        help: saveAgain,
      });
    }
    const byteLength = count * torchItemSize(dtype)!;
    if (!Number.isSafeInteger(byteLength)) throw this.fail('overflow', `a storage of ${count} elements`);
    const known = this.storages.get(key);
    if (known !== undefined) {
      if (known.dtype === dtype && known.byteLength === byteLength) return known;
      throw this.fail('size-mismatch', `storage ${quote(key)} is described twice, and differently`);
    }
    this.budget.take(4);
    const storage = new TorchStorage(key, dtype, { byteLength, source: this.#source });
    this.storages.set(key, storage);
    return storage;
  }

  /** `_rebuild_tensor(storage, offset, size, stride, ...)`, with an element type of its own in version 3; `bits`: what is not done yet. */
  tensor([storage, offset, shape, strides]: PickleValue[], bits?: PickleValue, type?: PickleValue): TorchTensor {
    const { fail } = this;
    for (const bit of bits instanceof Map ? ['neg', 'conj'] : []) {
      if ((bits as Map<PickleValue, PickleValue>).get(bit) !== true) continue;
      const wanted = bit === 'neg' ? 'negated' : 'conjugated';
      throw fail('dtype', `it has a tensor that is still to be ${wanted}, which is not read`, {
        help: `have it done in Python before it is saved: tensor.resolve_${bit}()`,
      });
    }
    if (!(storage instanceof TorchStorage)) throw fail('pickle', 'a tensor without a storage');
    const dtype = typeof type === 'string' ? type.replace(/^torch\./, '') : storage.dtype;
    if (!Array.isArray(shape) || !Array.isArray(strides) || typeof offset !== 'number') {
      throw fail('shape', 'a tensor without sizes, strides or offset');
    }
    if (++this.#tensors > mostTensors) throw fail('too-large', `more than ${mostTensors} tensors`);
    const view = { dtype, shape: shape as number[], strides: strides as number[], offset };
    return new TorchTensor(storage, view, fail);
  }

  mapOf(items: PickleValue | undefined): Map<PickleValue, PickleValue> {
    this.budget.take(4);
    const map = new Map<PickleValue, PickleValue>();
    if (items === undefined || items === null) return map;
    const size = items instanceof Map ? items.size : Array.isArray(items) ? items.length : 0;
    this.budget.take(size);
    for (const item of items instanceof Map || Array.isArray(items) ? items : [undefined]) {
      if (!Array.isArray(item) || item.length !== 2) throw this.fail('pickle', 'a dict of what are no pairs');
      map.set(item[0], item[1]);
    }
    return map;
  }

  setOf(items: PickleValue | undefined): Set<PickleValue> {
    if (items !== undefined && !Array.isArray(items)) throw this.fail('pickle', 'a set of what is no list');
    this.budget.take(4 + (items?.length ?? 0));
    return new Set(items);
  }

  /** `bytes`, `bytearray` and `_codecs.encode(text, 'latin1')`, as older protocols write bytes. */
  bytesOf([content, encoding]: PickleValue[]): PickleValue {
    if (content === undefined) return new Uint8Array();
    if (content instanceof Uint8Array) return content;
    if (typeof content !== 'string') throw this.fail('pickle', 'bytes of what is no text');
    this.budget.take(1 + content.length / 32);
    return new Uint8Array(Buffer.from(content, encoding === 'utf-8' || encoding === 'utf8' ? 'utf8' : 'latin1'));
  }

  /** `getattr(Class, 'method')` of a known class is a name; of anything else it is refused with the other unknown names. */
  attribute([owner, name]: PickleValue[]): PickleValue {
    const isKnown = owner instanceof PickleGlobal && inertClasses.has(owner.toString());
    if (!isKnown || typeof name !== 'string') this.unknown.add('builtins.getattr');
    const attribute = typeof name === 'string' ? name.slice(0, 200) : '?';
    return new PickleGlobal(owner instanceof PickleGlobal ? owner.toString() : 'builtins', attribute);
  }

  #otherTensor(kind: string): Error {
    const ways: Readonly<Record<string, string>> = { quantized: 'dequantize()', sparse: 'to_dense()' };
    const way = ways[kind] ?? 'to("cpu")';
    return this.fail('dtype', `it has ${kind} tensors, which are not read`, {
      help: `convert them in Python before they are saved: tensor.${way}`,
    });
  }
}

/** Keys are texts; TorchScript and old files have numbers too. */
export function storageKey(value: PickleValue | undefined): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
    ? String(value)
    : undefined;
}

const saveAgain = 'load and save it once with PyTorch 1.6 or newer';
const mostTensors = 2 ** 18;
/** Element types, layouts and memory formats among the names of `torch`. */
const isTypeName =
  /^(?:q?u?int\d+|float\d\w*|bits\d\w*|strided|sparse_\w+|contiguous_format|channels_last|channels_last_3d|preserve_format)$/;

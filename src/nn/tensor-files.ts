// Tensors in files: safetensors, PyTorch's, NumPy's, told apart by their content, and read straight into the memory of tensors.
import { RetortError } from '../errors.ts';
import {
  checksumKey,
  FormatError,
  safetensorsChecksum,
  safetensorsShards,
  serializeNpz,
  serializeSafetensors,
  serializeTorch,
  streamNpz,
  streamSafetensors,
  toNumericArray,
  torchStateOf,
  TorchTensor,
  weightsFormat,
  withTorchFile,
  writeFileAtomicSync,
} from '../formats/index.ts';
import type {
  FileContent,
  NumericDType,
  NumpyArray,
  SafetensorsDType,
  Sink,
  TensorRecord,
  TorchRecord,
  TorchStorage,
} from '../formats/index.ts';
import { itemSize, noGrad, ops, tensorFromBytes, tensorInPieces, tidy } from '../torch/index.ts';
import type { DType, Tensor, TensorInPieces } from '../torch/index.ts';

const dtypes: Readonly<Partial<Record<SafetensorsDType, DType>>> = {
  BOOL: 'bool',
  U8: 'uint8',
  I8: 'int8',
  I16: 'int16',
  I32: 'int32',
  I64: 'int64',
  F16: 'float16',
  BF16: 'bfloat16',
  F32: 'float32',
  C64: 'complex64',
  F64: 'float64',
};
const fileDTypes = new Map(Object.entries(dtypes).map(([file, dtype]) => [dtype, file as SafetensorsDType]));

/** Element types that NumPy, PyTorch's files and libtorch call by one name. */
const torchDTypes: ReadonlySet<string> = new Set<DType>([...fileDTypes.keys(), 'complex128']);
const isDType = (name: string): name is DType => torchDTypes.has(name);

/** What a file of tensors holds. */
export interface LoadedTensors {
  tensors: Record<string, Tensor>;
  /** Of PyTorch's files: their entries without tensors, such as `epoch` and `meta`; texts as they are, all else as JSON. */
  metadata: Readonly<Record<string, string>>;
  /** Tensors that were left out, with their element types (`F8_E4M3`, `uint16`, ...), since libtorch has no such type; NumPy's arrays that are not numeric are `object`. */
  leftOut: Readonly<Record<string, string>>;
  /** How they were stored: `safetensors`, `safetensors shards`, `pth`, `pth (legacy)`, `torchscript` or `npz`. */
  format: string;
  /** Of PyTorch's files: the entry that was taken, such as `state_dict`. */
  entry?: string;
  /** Of PyTorch's files: other entries that hold tensors, such as `optimizer` and `ema`. */
  otherEntries?: readonly string[];
}

export interface LoadTensorsOptions {
  /**
   * Whether checksums are compared, where the file has some. Default: all of safetensors and `.npz`; of PyTorch's archives those of the
   * pickles and of what is compressed, as PyTorch itself compares none. `true` compares those of the tensors too, which takes a
   * quarter longer: networks of configs, `retort convert` and `retort inspect` do.
   */
  verify?: boolean;
  /**
   * The entry of a training checkpoint to take, such as `ema`; entries inside of entries with a dot. Default: the one that looks most like
   * a network's weights (`state_dict`, `model`, ...), before averages of them.
   */
  entry?: string;
  /** Objects of unknown Python classes in a file of PyTorch are skipped instead of refused; none is ever run. Default false. */
  skipUnknown?: boolean;
}

/**
 * Tensors and metadata of a file: safetensors, an index of such or a folder with one, what `torch.save` wrote (`.pth`, `.pt`, `.bin`,
 * `.ckpt`, before PyTorch 1.6 too), TorchScript, `.npz`. The content tells which it is, not the name. Nothing in a file is ever run. Views
 * of one memory become tensors of their own; names of one and the same view become one tensor.
 * @throws {FormatError} for a file that is none of them or is damaged, also where its content does not match its checksum; `pickle` where
 *   it has objects of classes that are not known.
 *
 * @example
 * ```ts
 * const { tensors, entry, otherEntries } = loadTensors('resnet34_8xb32_in1k.pth'); // entry: 'state_dict', others: ['optimizer']
 * ```
 */
export function loadTensors(path: string, options: LoadTensorsOptions = {}): LoadedTensors {
  try {
    // On an error, all that was made goes with the scope.
    return tidy(() => load(path, options));
  } catch (error) {
    if (error instanceof RetortError && !(error instanceof FormatError)) error.locate(path);
    throw error;
  }
}

function load(given: string, options: LoadTensorsOptions): LoadedTensors {
  const { format, path } = weightsFormat(given);
  if (format === 'pth') return loadTorch(path, options);
  if (options.entry !== undefined) {
    throw new RetortError(`loadTensors: entry: a file of ${format} has no entries, "${options.entry}" was asked for`, {
      help: 'leave it out',
    });
  }
  if (format === 'npz') return loadNpz(path, options);
  return format === 'index' ? loadShards(path, options) : loadSafetensors(path, options);
}

/** Tensors that are being filled, and what is left out. */
class Filling {
  readonly tensors = Object.create(null) as Record<string, Tensor>;
  readonly leftOut = Object.create(null) as Record<string, string>;

  /** Who takes the bytes of a tensor; undefined for one that libtorch cannot have. */
  take(name: string, dtype: DType | undefined, info: { shape: readonly number[]; called: string }): Sink | undefined {
    if (dtype === undefined) {
      this.leftOut[name] = info.called;
      return undefined;
    }
    const filling = tensorInPieces(dtype, info.shape);
    this.tensors[name] = filling.tensor;
    return (piece) => filling.write(piece);
  }
}

function loadSafetensors(path: string, { verify }: LoadTensorsOptions, wanted?: ReadonlySet<string>): LoadedTensors {
  const filling = new Filling();
  const { metadata, unknown, names } = streamSafetensors(path, {
    verify,
    take: (name, { dtype, shape }) => {
      // What the index does not name is not a tensor of the model, as for other readers.
      if (wanted !== undefined && !wanted.has(name)) return undefined;
      return filling.take(name, dtypes[dtype], { shape, called: dtype });
    },
  });
  for (const [name, dtype] of unknown) if (wanted?.has(name) !== false) filling.leftOut[name] = dtype;
  const present = new Set([...names, ...unknown.keys()]);
  const lost = [...(wanted ?? [])].filter((name) => !present.has(name));
  if (lost.length > 0) {
    const shown = lost.slice(0, 4).map((name) => JSON.stringify(name));
    throw new FormatError(
      'safetensors',
      'missing-field',
      `${lost.length} tensors of the index are not in it: ${shown.join(', ')}`,
      {
        path,
        help: 'download the files of the model again',
      },
    );
  }
  return { tensors: filling.tensors, metadata, leftOut: filling.leftOut, format: 'safetensors' };
}

function loadShards(path: string, options: LoadTensorsOptions): LoadedTensors {
  const { files, metadata } = safetensorsShards(path);
  const none = (): Record<string, string> => Object.create(null) as Record<string, string>;
  const all: LoadedTensors = {
    tensors: Object.create(null) as Record<string, Tensor>,
    ...{ metadata: none(), leftOut: none(), format: 'safetensors shards' },
  };
  for (const [file, names] of files) {
    const shard = loadSafetensors(file, options, names);
    Object.assign(all.tensors, shard.tensors);
    Object.assign(all.leftOut, shard.leftOut);
    Object.assign(all.metadata, shard.metadata);
  }
  Object.assign(all.metadata, metadata);
  return all;
}

function loadNpz(path: string, { verify }: LoadTensorsOptions): LoadedTensors {
  const filling = new Filling();
  const known = (dtype: NumericDType): DType | undefined => (isDType(dtype) ? dtype : undefined);
  streamNpz(path, {
    verify,
    take: (name, { dtype, shape }) => filling.take(name, known(dtype), { shape, called: dtype }),
  });
  return {
    tensors: filling.tensors,
    metadata: Object.create(null) as Record<string, string>,
    leftOut: filling.leftOut,
    format: 'npz',
  };
}

function loadTorch(path: string, { verify, entry: asked, skipUnknown }: LoadTensorsOptions): LoadedTensors {
  return withTorchFile(path, { verify, skipUnknown }, (file) => {
    const { tensors: state, metadata, entry, others } = torchStateOf(file.value, { entry: asked });
    const leftOut = Object.create(null) as Record<string, string>;
    const made = new Map<TorchTensor | NumpyArray, Tensor>();
    const ofStorage = new Map<TorchStorage, TorchTensor[]>();
    for (const [name, one] of state) {
      if (!isDType(one.dtype)) leftOut[name] = one.dtype;
      else if (one instanceof TorchTensor) {
        const views = ofStorage.get(one.storage);
        if (views === undefined) ofStorage.set(one.storage, [one]);
        else views.push(one);
      } else if (!made.has(one)) made.set(one, tensorFromBytes(rawOf(one), one.dtype, one.shape));
    }
    for (const [storage, views] of ofStorage)
      for (const [view, tensor] of filled(storage, views)) made.set(view, tensor);
    const tensors = Object.create(null) as Record<string, Tensor>;
    for (const [name, one] of state) {
      const tensor = made.get(one);
      if (tensor !== undefined) tensors[name] = tensor;
    }
    const format = file.form === 'zip' ? 'pth' : file.form === 'legacy' ? 'pth (legacy)' : file.form;
    return { tensors, metadata, leftOut, format, otherEntries: others, ...(entry === undefined ? {} : { entry }) };
  });
}

const rawOf = ({ data }: NumpyArray): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Tensors of the views of a storage, which is read once. */
function filled(storage: TorchStorage, views: readonly TorchTensor[]): Map<TorchTensor, Tensor> {
  const [only] = views;
  if (views.length === 1 && only!.isContiguous && only!.numel * itemSize(only!.dtype as DType) === storage.byteLength) {
    // As a rule.
    const filling = tensorInPieces(only!.dtype as DType, only!.shape);
    storage.stream((piece) => filling.write(piece));
    return new Map([[only!, filling.tensor]]);
  }
  const keys = new Map(views.map((view) => [view, keyOf(view)]));
  const distinct = new Map(views.map((view) => [keys.get(view)!, view]));
  refuseRepeated(storage, distinct.values());
  const made = new Map<string, Tensor>();
  const parts: Part[] = [];
  const wholes = new Map<DType, TensorInPieces>();
  for (const [key, view] of distinct) {
    const dtype = view.dtype as DType;
    const size = itemSize(dtype);
    if (view.isContiguous) {
      const filling = tensorInPieces(dtype, view.shape);
      made.set(key, filling.tensor);
      if (view.numel > 0) parts.push({ from: view.offset * size, to: (view.offset + view.numel) * size, filling });
    } else if (!wholes.has(dtype)) {
      const filling = tensorInPieces(dtype, [Math.floor(storage.byteLength / size)]);
      wholes.set(dtype, filling);
      parts.push({ from: 0, to: filling.missing, filling });
    }
  }
  fill(storage, parts);
  noGrad(() => {
    for (const [key, view] of distinct) {
      if (view.isContiguous) continue;
      const seen = ops.asStrided(wholes.get(view.dtype as DType)!.tensor, view.shape, view.strides, view.offset);
      made.set(key, ops.clone(seen, { memoryFormat: 'contiguous' }));
      seen.dispose();
    }
  });
  for (const { tensor } of wholes.values()) tensor.dispose();
  return new Map(views.map((view) => [view, made.get(keys.get(view)!)!]));
}

/** Bytes of a storage that go into a tensor. */
interface Part {
  from: number;
  to: number;
  filling: TensorInPieces;
}

function fill(storage: TorchStorage, parts: readonly Part[]): void {
  let position = 0;
  storage.stream((piece) => {
    const end = position + piece.length;
    for (const { from, to, filling } of parts) {
      if (from < end && to > position) {
        filling.write(piece.subarray(Math.max(from - position, 0), Math.min(to, end) - position));
      }
    }
    position = end;
  });
}

/** What makes two views of one storage the same. */
const keyOf = ({ dtype, offset, shape, strides }: TorchTensor): string =>
  `${dtype} ${offset} ${shape.join()} ${strides.join()}`;

/** Views that repeat elements take more memory than there is in the file: somewhat more is fine, a bomb is not. */
function refuseRepeated(storage: TorchStorage, views: Iterable<TorchTensor>): void {
  let bytes = 0;
  for (const { numel, dtype } of views) bytes += numel * itemSize(dtype as DType);
  if (bytes <= 2 * storage.byteLength + 2 ** 25) return;
  throw new FormatError(
    'pth',
    'too-large',
    `tensors of ${bytes} bytes are views of a storage of ${storage.byteLength} bytes`,
    {
      help: 'save copies of them: tensor.clone()',
    },
  );
}

/**
 * Writes tensors to a file: to a temporary one first, synced, then renamed. Its extension says the format:
 *
 * | extension | format |
 * |---|---|
 * | `.pth`, `.pt` | PyTorch's, for `torch.load(path, weights_only=True)`: the state dict, or with metadata `{ state_dict, meta }` |
 * | `.npz` | NumPy's, without room for metadata |
 * | any other | safetensors; a checksum over all of it goes into the metadata, under `checksum` |
 *
 * @throws {RetortError} when the file cannot be written; `unsupported` for a tensor of an element type, or metadata, that the format does
 *   not have.
 *
 * @example
 * ```ts
 * saveTensors('student.pth', student.stateDict());
 * ```
 */
export function saveTensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const extension = /\.[^./]*$/.exec(path)?.[0].toLowerCase();
  if (extension === '.pth' || extension === '.pt') writeFileAtomicSync(path, torchContent(tensors, metadata));
  else if (extension === '.npz') writeFileAtomicSync(path, npzContent(tensors, metadata));
  else writeFileAtomicSync(path, tensorFile(tensors, metadata));
}

function torchContent(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>>,
): FileContent {
  const sources = new Map<Tensor, () => Uint8Array>();
  const state = new Map<string, TorchRecord>();
  for (const [name, tensor] of Object.entries(tensors)) {
    // One tensor under several names is one storage, and bytes are copied when their turn comes to be written.
    const data = sources.get(tensor) ?? (() => tensor.bytes());
    sources.set(tensor, data);
    state.set(name, { dtype: tensor.dtype, shape: tensor.shape, data });
  }
  return serializeTorch(state, { meta: Object.keys(metadata).length > 0 ? metadata : undefined });
}

function npzContent(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>>,
): FileContent {
  if (Object.keys(metadata).length > 0) {
    throw new RetortError('saveTensors: metadata: an .npz file has no room for them', {
      code: 'unsupported',
      help: 'leave them out, or save a .safetensors file',
    });
  }
  const arrays = Object.entries(tensors).map(([name, tensor]) => {
    const { dtype, shape } = tensor;
    if (dtype === 'bfloat16' || dtype === 'complex64' || dtype === 'complex128')
      throw unsupported(name, dtype, 'NumPy');
    return [name, toNumericArray(dtype, shape, { raw: tensor.bytes(), order: 'little' })] as const;
  });
  return serializeNpz(arrays);
}

function unsupported(name: string, dtype: DType, format: string): RetortError {
  return new RetortError(`saveTensors: "${name}" is ${dtype}, which ${format} does not have`, {
    code: 'unsupported',
    help: "convert it first, such as with to('float32')",
  });
}

/** The content of a safetensors file with these tensors and their checksum, in pieces. */
export function tensorFile(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): FileContent {
  const records = new Map<string, TensorRecord>();
  for (const [name, tensor] of Object.entries(tensors)) {
    const dtype = fileDTypes.get(tensor.dtype);
    if (dtype === undefined) throw unsupported(name, tensor.dtype, 'safetensors');
    records.set(name, { dtype, shape: tensor.shape, data: tensor.bytes() });
  }
  const checksum = safetensorsChecksum(records, metadata);
  return serializeSafetensors(records, { ...metadata, [checksumKey]: checksum });
}

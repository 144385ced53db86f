// State dicts as safetensors files: the names of the module, nothing else, loadable by any tool that reads the format.
import { RetortError } from '../errors.ts';
import {
  checksumKey,
  FormatError,
  readSafetensorsFile,
  safetensorsChecksum,
  serializeSafetensors,
  writeFileAtomicSync,
} from '../formats/index.ts';
import type { FileContent, SafetensorsDType, TensorRecord } from '../formats/index.ts';
import { tensorFromBytes, tidy } from '../torch/index.ts';
import type { DType, Tensor } from '../torch/index.ts';
import type { Module } from './module.ts';
import type { LoadOptions, LoadReport } from './state-dict.ts';

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

/**
 * Writes tensors to a safetensors file: to a temporary one first, synced, then renamed. A checksum over all of it goes into the
 * metadata, under `checksum`.
 * @throws {RetortError} when the file cannot be written, or a tensor is of an element type that the format does not have.
 */
export function saveTensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  writeFileAtomicSync(path, tensorFile(tensors, metadata));
}

/** The content of a safetensors file with these tensors and their checksum, in pieces. */
export function tensorFile(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): FileContent {
  const records = new Map<string, TensorRecord>();
  for (const [name, tensor] of Object.entries(tensors)) {
    const dtype = fileDTypes.get(tensor.dtype);
    if (dtype === undefined) {
      throw new RetortError(`saveTensors: "${name}" is ${tensor.dtype}, which safetensors does not have`, {
        code: 'unsupported',
        help: "convert it first, such as with to('float32')",
      });
    }
    records.set(name, { dtype, shape: tensor.shape, data: tensor.bytes() });
  }
  const checksum = safetensorsChecksum(records, metadata);
  return serializeSafetensors(records, { ...metadata, [checksumKey]: checksum });
}

/** What a safetensors file holds. */
export interface LoadedTensors {
  tensors: Record<string, Tensor>;
  metadata: Readonly<Record<string, string>>;
  /** Tensors that were left out, with their element types (`F8_E4M3`, ...), since libtorch has no such type. */
  leftOut: Readonly<Record<string, string>>;
}

export interface LoadTensorsOptions {
  /** Check the checksum where the file has one. Default true. */
  verify?: boolean;
}

/**
 * Tensors and metadata of a safetensors file.
 * @throws {FormatError} for a file that is not one or is damaged, also where its content does not match its checksum.
 */
export function loadTensors(path: string, options: LoadTensorsOptions = {}): LoadedTensors {
  const { verify = true } = options;
  const file = readSafetensorsFile(path);
  const expected = file.metadata[checksumKey];
  if (verify && expected !== undefined && expected !== safetensorsChecksum(file.tensors, file.metadata)) {
    throw new FormatError('safetensors', 'checksum', 'it was altered: its content does not match its checksum', {
      path,
      help: 'take the file from a backup; if the change was meant, remove "checksum" from its metadata',
    });
  }
  const tensors = Object.create(null) as Record<string, Tensor>;
  const leftOut = Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(file.unknown));
  for (const [name, record] of file.tensors) {
    const dtype = dtypes[record.dtype];
    if (dtype === undefined) leftOut[name] = record.dtype;
    else tensors[name] = tensorFromBytes(record.data, dtype, record.shape);
  }
  return { tensors, metadata: file.metadata, leftOut };
}

/**
 * Saves a module's state dict as a safetensors file under its own names, with a checksum. The file is replaced as a whole.
 * @throws {RetortError} `unsupported` for a dtype that safetensors does not have, `file-system` when the file cannot be written.
 *
 * @example
 * ```ts
 * saveModule('student.safetensors', student);
 * loadModule('student.safetensors', student);
 * ```
 */
export function saveModule(path: string, module: Module, metadata: Readonly<Record<string, string>> = {}): void {
  tidy(() => saveTensors(path, module.stateDict(), metadata));
}

/**
 * Loads a file that {@link saveModule} (or any other tool) wrote.
 * @throws {RetortError} see {@link Module.loadStateDict}; also where the module needs a tensor of an element type that libtorch
 *   does not have.
 */
export function loadModule(path: string, module: Module, options: LoadOptions = {}): LoadReport {
  return tidy(() => {
    try {
      const { tensors, leftOut } = loadTensors(path);
      const own = module.stateDict();
      const lost = Object.entries(leftOut).filter(([name]) => Object.hasOwn(own, name));
      if (lost.length > 0) {
        const shown = lost.slice(0, 4).map(([name, dtype]) => `"${name}" is ${dtype}`);
        throw new RetortError(
          `loadModule: libtorch does not have the element types of ${lost.length} tensors: ${shown.join(', ')}`,
          { code: 'unsupported', help: 'convert them to float32 or float16 before they are saved' },
        );
      }
      return module.loadStateDict(tensors, options);
    } catch (error) {
      if (error instanceof RetortError) error.locate(path);
      throw error;
    }
  });
}

// State dicts as safetensors files: the names of the module, nothing else, loadable by any tool that reads the format.
import { RetortError } from '../errors.ts';
import { readSafetensorsFile, serializeSafetensors, writeFileAtomicSync } from '../formats/index.ts';
import type { SafetensorsDType, TensorRecord } from '../formats/index.ts';
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
  F64: 'float64',
};
const fileDTypes = new Map(Object.entries(dtypes).map(([file, dtype]) => [dtype, file as SafetensorsDType]));

/** Writes tensors to a safetensors file: to a temporary one first, synced, then renamed. */
export function saveTensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const records = new Map<string, TensorRecord>();
  for (const [name, tensor] of Object.entries(tensors)) {
    const dtype = fileDTypes.get(tensor.dtype);
    if (dtype === undefined)
      throw new RetortError(`saveTensors: "${name}" is ${tensor.dtype}, which safetensors has not`);
    records.set(name, { dtype, shape: tensor.shape, data: tensor.bytes() });
  }
  writeFileAtomicSync(path, serializeSafetensors(records, metadata));
}

/** Tensors and metadata of a safetensors file. @throws {FormatError} for a file that is none, or is damaged. */
export function loadTensors(path: string): {
  tensors: Record<string, Tensor>;
  metadata: Readonly<Record<string, string>>;
} {
  const file = readSafetensorsFile(path);
  const tensors = Object.create(null) as Record<string, Tensor>;
  for (const [name, record] of file.tensors) {
    const dtype = dtypes[record.dtype];
    if (dtype === undefined) throw new RetortError(`${path}: "${name}" is ${record.dtype}, which libtorch has not`);
    tensors[name] = tensorFromBytes(record.data, dtype, record.shape);
  }
  return { tensors, metadata: file.metadata };
}

/** Saves a module's state dict under its own names. */
export function saveModule(path: string, module: Module, metadata: Readonly<Record<string, string>> = {}): void {
  tidy(() => saveTensors(path, module.stateDict(), metadata));
}

/** Loads a file that {@link saveModule} (or any other tool) wrote. @throws {RetortError} see {@link Module.loadStateDict}. */
export function loadModule(path: string, module: Module, options: LoadOptions = {}): LoadReport {
  return tidy(() => {
    try {
      return module.loadStateDict(loadTensors(path).tensors, options);
    } catch (error) {
      if (error instanceof RetortError) error.locate(path);
      throw error;
    }
  });
}

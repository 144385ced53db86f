// File formats: bytes to plain objects and back, without tensors and without ever running code from a file.

export { type FileContent, writeFileAtomic, writeFileAtomicSync } from './atomic-file.ts';
export { parseBmp } from './bmp.ts';
export { FormatError, type FormatErrorCode, type FormatErrorOptions } from './format-error.ts';
export { type IdxArray, type IdxDType, type IdxOptions, parseIdx, readIdxFile } from './idx.ts';
export { parseNpy, readNpyFile, serializeNpy } from './npy.ts';
export {
  type OnnxAttribute,
  type OnnxDim,
  type OnnxDType,
  type OnnxGraph,
  type OnnxModel,
  onnxModelBytes,
  type OnnxNode,
  type OnnxReadOptions,
  type OnnxTensor,
  type OnnxValue,
  parseOnnx,
  readOnnxFile,
  serializeOnnx,
  writeOnnxFile,
} from './onnx.ts';
export { type NpzOptions, parseNpz, readNpz, serializeNpz, streamNpz, type TakeArray } from './npz.ts';
export { NumpyArray } from './numpy-objects.ts';
export { type NumericArray, type NumericArrayTypes, type NumericDType, toNumericArray } from './numeric-array.ts';
export { PickleGlobal, PickleObject, type PickleValue } from './pickle.ts';
export { serializePng } from './png.ts';
export { parsePnm } from './pnm.ts';
export type { Sink } from './read-file.ts';
export type { Column } from './row-segments.ts';
export { type RowDamage, type RowPlace, type RowsPruned, RowStore } from './row-store.ts';
export {
  checksumKey,
  parseSafetensors,
  readSafetensorsFile,
  readSafetensorsMetadata,
  safetensorsChecksum,
  safetensorsNames,
  type SafetensorsDType,
  type SafetensorsFile,
  serializeSafetensors,
  type StreamOptions,
  streamSafetensors,
  type TakeTensor,
  type TensorRecord,
} from './safetensors.ts';
export { type SafetensorsShards, safetensorsShards } from './safetensors-shards.ts';
export type { Raster, RasterOptions } from './shape.ts';
export { parseTorch, readTorchFile, type TorchFile, type TorchFileOptions, withTorchFile } from './torch-file.ts';
export { type TorchState, torchStateOf, type TorchStateOptions } from './torch-state.ts';
export { TorchStorage, TorchTensor, type TorchView } from './torch-tensor.ts';
export { serializeTorch, type SerializeTorchOptions, type TorchRecord } from './torch-writer.ts';
export { type WeightsFormat, weightsFormat, weightsNames } from './weights-format.ts';
export { type ZipOptions } from './zip.ts';

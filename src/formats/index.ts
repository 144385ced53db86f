// File formats: bytes to plain objects and back, without tensors and without ever running code from a file.

export { type FileContent, writeFileAtomic, writeFileAtomicSync } from './atomic-file.ts';
export { parseBmp } from './bmp.ts';
export { FormatError, type FormatErrorCode, type FormatErrorOptions } from './format-error.ts';
export { type IdxArray, type IdxDType, type IdxOptions, parseIdx, readIdxFile } from './idx.ts';
export { parseNpy, readNpyFile, serializeNpy } from './npy.ts';
export type { NumericArray, NumericArrayTypes, NumericDType } from './numeric-array.ts';
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
export { parsePnm } from './pnm.ts';
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
  type TensorRecord,
} from './safetensors.ts';
export type { Raster, RasterOptions } from './shape.ts';

// The error every codec of this folder throws when bytes (or records to be written) break the rules of a format.
// A caller may branch on `code`; the message names the format, the file and the tensor where they are known, and the byte.

import { RetortError } from '../errors.ts';

/**
 * What is wrong with the bytes:
 *
 * | code | meaning |
 * |---|---|
 * | `truncated` | the bytes end before what the header announces |
 * | `trailing-data` | bytes are left over that the header does not account for |
 * | `magic` | the first bytes are not those of the format |
 * | `version` | a version of the format that is not known |
 * | `compression` | the gzip stream is damaged |
 * | `too-large` | over a limit of the format, or of the reader against hostile files |
 * | `utf8` | text that is not valid UTF-8 or UTF-16 |
 * | `syntax` | the header cannot be parsed: its JSON or Python literal is malformed, or nested too deeply |
 * | `duplicate-key` | a key, so perhaps a tensor, that occurs twice |
 * | `missing-field` | a field that must be there is not |
 * | `dtype` | an element type that is unknown or not supported |
 * | `pickle` | Python objects, which could run code when read, or a pickle that is damaged |
 * | `shape` | a dimension that is not an integer of 0 or more, or a wrong number of them |
 * | `overflow` | a number, or a product of dimensions, above 2^53 - 1 |
 * | `offsets` | data that overlap, leave a hole or lie outside the file |
 * | `size-mismatch` | the size of the data is not the product of the shape and the element size |
 * | `metadata` | metadata that is not a map from string to string |
 * | `checksum` | content that does not match the checksum in the file |
 * | `name` | a tensor name that the format reserves |
 * | `graph` | values that nothing makes, or that are taken before they are made |
 */
export type FormatErrorCode =
  | 'truncated'
  | 'trailing-data'
  | 'magic'
  | 'version'
  | 'compression'
  | 'too-large'
  | 'utf8'
  | 'syntax'
  | 'duplicate-key'
  | 'missing-field'
  | 'dtype'
  | 'pickle'
  | 'shape'
  | 'overflow'
  | 'offsets'
  | 'size-mismatch'
  | 'metadata'
  | 'checksum'
  | 'name'
  | 'graph';

/** Options of {@link FormatError}. */
export interface FormatErrorOptions {
  /** The file, where the bytes came from one. */
  path?: string | undefined;
  /** The tensor at fault. */
  tensor?: string | undefined;
  /** Where in the (uncompressed) bytes, counted from 0. */
  byteOffset?: number | undefined;
  /** What to do about it, printed after `help:`. */
  help?: string | undefined;
  cause?: unknown;
}

/** Bytes that are not a valid file of `format`; `code` says in what way. */
export class FormatError extends RetortError {
  override readonly name: string = 'FormatError';
  /** `safetensors`, `idx`, `npy`, ... */
  readonly format: string;
  declare readonly code: FormatErrorCode;
  readonly path: string | undefined;
  readonly tensor: string | undefined;
  readonly byteOffset: number | undefined;
  readonly #problem: string;

  constructor(format: string, code: FormatErrorCode, problem: string, options: FormatErrorOptions = {}) {
    const { path, tensor, byteOffset, help, cause } = options;
    const file = path === undefined ? '' : `${path}: `;
    const which = tensor === undefined ? '' : `tensor ${quote(tensor)}: `;
    const at = byteOffset === undefined ? '' : ` (at byte ${byteOffset})`;
    super(`${format}: ${file}${which}${problem}${at}`, { code, cause, ...(help === undefined ? {} : { help }) });
    this.format = format;
    this.path = path;
    this.tensor = tensor;
    this.byteOffset = byteOffset;
    this.#problem = problem;
  }

  /** The same error, naming the file that the bytes came from. */
  inFile(path: string): FormatError {
    const { tensor, byteOffset, help, cause } = this;
    return new FormatError(this.format, this.code, this.#problem, { path, tensor, byteOffset, help, cause });
  }

  /** The same error, naming the tensor or array that it is about, unless it names one. */
  ofTensor(tensor: string): FormatError {
    const { path, byteOffset, help, cause } = this;
    const known = this.tensor ?? tensor;
    return new FormatError(this.format, this.code, this.#problem, { path, tensor: known, byteOffset, help, cause });
  }
}

/** Makes an error; the codecs write `throw fail('truncated', 'the header ends too early', { byteOffset })`. */
export type Fail = (code: FormatErrorCode, problem: string, options?: FormatErrorOptions) => FormatError;

/** A `Fail` for one format; what is already known (`tensor`, say) goes into each of its errors. */
export function failFor(format: string, known: FormatErrorOptions = {}): Fail {
  return (code, problem, options) => new FormatError(format, code, problem, { ...known, ...options });
}

/** A name out of an untrusted file, made safe and short enough to be printed. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

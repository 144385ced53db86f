// The header of an NPY file: a Python dict literal with three keys, parsed by a small strict grammar, never evaluated.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

import { failFor, quote } from './format-error.ts';
import { arrayClasses, type ByteOrder, hostOrder, type NumericDType } from './numeric-array.ts';

const fail = failFor('npy');

export interface NpyHeader {
  dtype: NumericDType;
  order: ByteOrder;
  fortranOrder: boolean;
  shape: number[];
}

/** NumPy's kind and size of each element type. */
const kinds: { readonly [K in NumericDType]: string } = {
  bool: 'b1',
  uint8: 'u1',
  int8: 'i1',
  uint16: 'u2',
  int16: 'i2',
  uint32: 'u4',
  int32: 'i4',
  uint64: 'u8',
  int64: 'i8',
  float16: 'f2',
  float32: 'f4',
  float64: 'f8',
};
export const dtypeOfKind = new Map(Object.entries(kinds).map(([dtype, kind]) => [kind, dtype as NumericDType]));

const keys = ['descr', 'fortran_order', 'shape'];
/** As many as NumPy and PyTorch can handle. */
const maxRank = 64;

/** `'key': value` and the comma after it; a value is a string, True, False or a tuple of integers. */
const entry = /\s*(['"])(\w+)\1\s*:\s*(?:(['"])([^'"\\]*)\3|(True|False)|\(([\d\sL,]*)\))\s*(?:,|(?=\}))/y;

/**
 * Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, the keys in any order; `base` is where in the file
 * the text starts.
 *
 * @throws FormatError `syntax`, `duplicate-key`, `missing-field`, `dtype`, `pickle`, `shape`, `overflow`.
 */
export function parseNpyHeader(text: string, base: number): NpyHeader {
  const values = readEntries(text, base);
  const field = (name: string, group: number): string => {
    const value = values.get(name)?.[group];
    if (value === undefined) throw fail('missing-field', `the header has no proper '${name}'`, { byteOffset: base });
    return value;
  };
  return {
    ...parseDescr(field('descr', 4)),
    fortranOrder: field('fortran_order', 5) === 'True',
    shape: parseShape(field('shape', 6)),
  };
}

/** What numpy writes for this array, without the padding. */
export function formatNpyHeader(dtype: NumericDType, shape: readonly number[]): string {
  checkRank(shape.length);
  const order = arrayClasses[dtype].BYTES_PER_ELEMENT === 1 ? '|' : hostOrder === 'little' ? '<' : '>';
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  return `{'descr': '${order}${kinds[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
}

/** The match of `entry` for each key. */
function readEntries(text: string, base: number): Map<string, RegExpExecArray> {
  const values = new Map<string, RegExpExecArray>();
  let position = text.length - text.trimStart().length;
  if (text[position++] !== '{') throw fail('syntax', 'the header is not a dict', { byteOffset: base });
  for (;;) {
    entry.lastIndex = position;
    const match = entry.exec(text);
    const at = { byteOffset: base + position };
    if (match === null) {
      checkEnd(text.slice(position).trim(), at);
      return values;
    }
    const key = match[2]!;
    if (!keys.includes(key)) throw fail('syntax', `the header has an unknown key ${quote(key)}`, at);
    if (values.has(key)) throw fail('duplicate-key', `the key ${quote(key)} occurs twice`, at);
    values.set(key, match);
    position = entry.lastIndex;
  }
}

/** Where no further entry was found, the dict must end; if it does not, the error says what is there instead. */
function checkEnd(rest: string, at: { byteOffset: number }): void {
  if (rest === '}') return;
  if (/^['"]descr['"]\s*:\s*\[/.test(rest)) {
    const help = "save one field at a time: np.save(path, array['field'])";
    throw fail('dtype', 'structured arrays are not supported', { ...at, help });
  }
  throw fail('syntax', `expected an entry or the end of the header, got ${quote(rest)}`, at);
}

function parseDescr(descr: string): { dtype: NumericDType; order: ByteOrder } {
  const [, mark, kind = ''] = /^([<>=|]?)(.*)$/s.exec(descr)!;
  if (kind.startsWith('O')) {
    const help = 'convert it in Python first: np.save(path, array.astype(np.float32), allow_pickle=False)';
    throw fail('pickle', 'it holds pickled Python objects, which could run any code and are never read', { help });
  }
  const dtype = dtypeOfKind.get(kind);
  if (dtype === undefined || (mark === '|' && !kind.endsWith('1'))) {
    const known = `known are ${Object.keys(kinds).join(', ')}`;
    const help = 'convert it in Python first: np.save(path, array.astype(np.float32))';
    throw fail('dtype', `the element type ${quote(descr)} is not supported; ${known}`, { help });
  }
  return { dtype, order: mark === '<' ? 'little' : mark === '>' ? 'big' : hostOrder };
}

/** The inside of a Python tuple: nothing, `3,` or `3, 4`; Python 2 wrote `3L`. */
function parseShape(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length === 1 && parts[0] !== '') throw fail('shape', `(${quote(parts[0]!)}) is not a tuple in Python`);
  if (parts.at(-1) === '') parts.pop();
  checkRank(parts.length);
  return parts.map((part) => {
    if (!/^\d+L?$/.test(part)) throw fail('shape', `${quote(part)} is not a dimension`);
    const size = Number.parseInt(part, 10);
    if (size > Number.MAX_SAFE_INTEGER) throw fail('overflow', `the dimension ${quote(part)} is too large`);
    return size;
  });
}

function checkRank(rank: number): void {
  if (rank > maxRank) throw fail('shape', `${rank} dimensions; at most ${maxRank} are possible`);
}

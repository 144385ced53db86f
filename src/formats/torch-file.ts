// Reads what `torch.save` and TorchScript write (`.pth`, `.pt`, `.bin`, `.ckpt`): zip archives since PyTorch 1.6, the stream of pickles
// before. Nothing of a file is run: its pickle is read as inert data (pickle.ts) by an allow-list of names (torch-world.ts).
//
// An archive MUST keep the rules of zip.ts; have one `data.pkl`, in a folder at most; little-endian bytes; for each storage a record of its
// size. A stream MUST have its magic number, protocol 1001, little-endian bytes, each of its storages once with its size, and no byte more.
// Tensors MUST lie inside their storages (torch-tensor.ts). `code/` of TorchScript is never looked at.

import { FormatError, failFor, quote } from './format-error.ts';
import { PickleBudget, type PickleValue, Unpickler } from './pickle.ts';
import { openBytes, type OpenFile, readPieces, withFile } from './read-file.ts';
import { type StorageSource, torchItemSize, type TorchStorage } from './torch-tensor.ts';
import { storageKey, TorchWorld } from './torch-world.ts';
import { isZip, Zip, type ZipEntry } from './zip.ts';

const fail = failFor('pth');
const downloadAgain = 'download or copy the file again';
/** As many objects as pickles are allowed, of about 64 bytes. */
const units = 8_000_000;
const mostPickleBytes = 2 ** 28;

/** Options of {@link readTorchFile} and {@link parseTorch}. */
export interface TorchFileOptions {
  /**
   * Objects of classes that are not known become inert data (`PickleObject`: class, arguments, state) instead of an error that names all of
   * them. Default false.
   */
  skipUnknown?: boolean | undefined;
  /**
   * Whether the checksums of an archive are compared. Default: those of its pickles and of all that is compressed or read as a whole, but
   * not those of storages that are streamed as they lie there: PyTorch compares none, and with them reading takes a quarter longer.
   */
  verify?: boolean | undefined;
  /** Inflated bytes of an archive that is compressed. Default 32 MiB and 16 times the size of the file. */
  maxInflated?: number | undefined;
}

/** What a file of PyTorch holds. */
export interface TorchFile {
  /** `zip` since PyTorch 1.6, `legacy` before, `torchscript` for what `torch.jit.save` wrote. */
  readonly form: 'zip' | 'legacy' | 'torchscript';
  /** What was saved: dicts are maps, lists and tuples arrays, tensors `TorchTensor`, other objects `PickleObject`. */
  readonly value: PickleValue;
  /** Of TorchScript: the constants of its code, tensors among them. */
  readonly constants?: PickleValue;
  /** All memory that tensors are views of. */
  readonly storages: readonly TorchStorage[];
}

/**
 * Parses the bytes of a whole file that `torch.save` or `torch.jit.save` wrote.
 *
 * @throws FormatError `pickle` for classes that are not known here (all are named), and for each rule that is broken.
 *
 * @example
 * ```ts
 * const { value } = parseTorch(await readFile('model.pth'));
 * const state = torchStateOf(value).tensors; // names -> TorchTensor
 * ```
 */
export function parseTorch(bytes: Uint8Array, options: TorchFileOptions = {}): TorchFile {
  return openTorch(openBytes(bytes), options);
}

/**
 * {@link parseTorch} of a file of any size; synchronous. All storages are read into memory.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when it breaks the format.
 */
export function readTorchFile(path: string, options: TorchFileOptions = {}): TorchFile {
  return withTorchFile(path, options, (file) => {
    for (const storage of file.storages) storage.bytes();
    return file;
  });
}

/**
 * Opens a file for `use`, which may read or stream storages; the file is closed behind it.
 *
 * @throws RetortError when the file cannot be read, FormatError with the path when it breaks the format.
 */
export function withTorchFile<T>(path: string, options: TorchFileOptions, use: (file: TorchFile) => T): T {
  return withFile(path, (file) => use(openTorch(file, options)));
}

/** Whether bytes start as a file of PyTorch does that is no zip archive. */
export function isTorchStream(start: Uint8Array): boolean {
  return start[0] === 0x80 && start[1] !== undefined && start[1] >= 2 && start[1] <= 5;
}

/** What a file holds; the bytes of its storages are read when they are wanted, while it is open. */
function openTorch(file: OpenFile, options: TorchFileOptions): TorchFile {
  const start = file.read(0, Math.min(file.size, 512));
  if (isZip(start)) return readArchive(file, options);
  if (isTorchStream(start)) return readStream(file, options);
  const isTar = Buffer.from(start).toString('latin1', 257, 262) === 'ustar';
  throw isTar
    ? fail('version', 'it is a tar archive, as PyTorch before 0.1.10 wrote them', {
        help: 'load it with PyTorch and save it again: torch.save(torch.load(path), path)',
      })
    : fail('magic', 'it starts neither as a zip archive nor as a pickle', { help: 'is it the right file?' });
}

// ---- archives

function readArchive(file: OpenFile, options: TorchFileOptions): TorchFile {
  const zip = new Zip(file, fail, options);
  const root = rootOf(zip);
  const byteorder = zip.entries.get(`${root}byteorder`);
  if (byteorder !== undefined) {
    const order = byteorder.size > 64 ? '?' : Buffer.from(zip.read(byteorder)).toString('latin1').trim();
    if (order !== 'little') {
      throw fail('version', `its byte order is ${quote(order)}; little is read`, {
        help: 'save it on a little-endian machine',
      });
    }
  }
  const isScript = zip.entries.has(`${root}constants.pkl`);
  const budget = new PickleBudget(units, fail);
  const read = (name: string, folder: string): { value: PickleValue; world: TorchWorld } => {
    const entry = zip.entries.get(`${root}${name}`)!;
    if (entry.size > mostPickleBytes) {
      throw fail('too-large', `${name} has ${entry.size} bytes; at most ${mostPickleBytes} are read`);
    }
    const source = archiveSource(zip, `${root}${folder}/`, options.verify ?? false);
    const world = new TorchWorld({ fail, budget, source, skipUnknown: options.skipUnknown ?? false });
    const pickle = new Unpickler(zip.read(entry), 0, { world, budget, fail });
    const value = pickle.read();
    if (pickle.position !== entry.size) throw fail('trailing-data', `bytes are left over in ${name}`);
    return { value, world };
  };
  const data = read('data.pkl', 'data');
  data.world.refuseUnknown();
  const constants = isScript ? read('constants.pkl', 'constants') : undefined;
  constants?.world.refuseUnknown();
  const storages = [...data.world.storages.values(), ...(constants?.world.storages.values() ?? [])];
  for (const [{ world }, folder] of [
    [data, 'data'],
    ...(constants === undefined ? [] : [[constants, 'constants'] as const]),
  ] as const) {
    for (const { key, byteLength } of world.storages.values()) storageEntry(zip, `${root}${folder}/${key}`, byteLength);
  }
  return {
    ...{ form: isScript ? 'torchscript' : 'zip', value: data.value, storages },
    ...(constants === undefined ? {} : { constants: constants.value }),
  };
}

/** The folder that `data.pkl` lies in, with a slash, or nothing. */
function rootOf(zip: Zip): string {
  const roots = [...zip.entries.keys()].flatMap((name) => {
    const found = /^([^/]*\/)?data\.pkl$/.exec(name);
    return found === null ? [] : [found[1] ?? ''];
  });
  if (roots.length === 1) return roots[0]!;
  const names = [...zip.entries.keys()].slice(0, 4).map(quote).join(', ');
  throw roots.length === 0
    ? fail('missing-field', `an archive without data.pkl; it has ${names}`, { help: 'is it a file of torch.save?' })
    : fail('duplicate-key', `an archive with ${roots.length} times data.pkl`);
}

function storageEntry(zip: Zip, name: string, byteLength: number): ZipEntry {
  const entry = zip.entries.get(name);
  if (entry === undefined)
    throw fail('missing-field', `there is no record ${quote(name)} in the archive`, { help: downloadAgain });
  if (entry.size === byteLength) return entry;
  throw fail('size-mismatch', `${quote(name)} has ${entry.size} bytes, its storage takes ${byteLength}`);
}

function archiveSource(zip: Zip, folder: string, verify: boolean): StorageSource {
  return {
    read: (key, bytes) => zip.read(storageEntry(zip, folder + key, bytes)),
    stream: (key, bytes, sink) => zip.stream(storageEntry(zip, folder + key, bytes), sink, { verify }),
  };
}

// ---- the stream of pickles before PyTorch 1.6

const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocol = 1001;

function readStream(file: OpenFile, options: TorchFileOptions): TorchFile {
  // How long the pickles are is known when they have been read: larger and larger beginnings of the file are tried.
  for (let length = Math.min(file.size, 2 ** 17); ; length = Math.min(file.size, length * 8, mostPickleBytes)) {
    try {
      return readStreamOf(file, file.read(0, length), options);
    } catch (error) {
      const more =
        error instanceof FormatError && error.code === 'truncated' && length < Math.min(file.size, mostPickleBytes);
      if (!more) throw error;
    }
  }
}

function readStreamOf(file: OpenFile, start: Uint8Array, options: TorchFileOptions): TorchFile {
  const budget = new PickleBudget(units, fail);
  const places = new Map<string, number>();
  const source: StorageSource = {
    read: (key, bytes) => file.read(places.get(key)!, bytes),
    stream: (key, bytes, sink) => readPieces(file, { position: places.get(key)!, length: bytes }, sink),
  };
  const world = new TorchWorld({ fail, budget, source, skipUnknown: options.skipUnknown ?? false });
  let position = 0;
  const next = (): PickleValue => {
    const pickle = new Unpickler(start, position, { world, budget, fail });
    const value = pickle.read();
    position = pickle.position;
    return value;
  };
  if (next() !== magicNumber) {
    throw fail('magic', 'it is a pickle, but none that torch.save wrote', {
      help: 'save it with torch.save(state_dict, path)',
    });
  }
  const version = next();
  if (version !== protocol) throw fail('version', `the version of the format is unknown; ${protocol} is known`);
  const system = next();
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    throw fail('version', 'its bytes are not little-endian', { help: 'save it on a little-endian machine' });
  }
  const value = next();
  world.refuseUnknown();
  const keys = next();
  if (!Array.isArray(keys)) throw fail('pickle', 'a list of storages was expected');
  for (const one of keys) {
    const key = storageKey(one) ?? '?';
    const storage = world.storages.get(key);
    if (storage === undefined || places.has(key)) {
      throw fail('offsets', `storage ${quote(key)} is ${storage === undefined ? 'not described' : 'there twice'}`);
    }
    if (position + 8 > file.size) throw fail('truncated', 'it ends before its storages do', { help: downloadAgain });
    const head = file.read(position, 8);
    const count = Number(new DataView(head.buffer, head.byteOffset, 8).getBigInt64(0, true));
    const bytes = count * torchItemSize(storage.dtype)!;
    if (bytes !== storage.byteLength) {
      throw fail(
        'size-mismatch',
        `storage ${quote(key)} has ${count} elements, its tensors were told of ${storage.byteLength} bytes`,
        {
          byteOffset: position,
        },
      );
    }
    position += 8;
    places.set(key, position);
    position += bytes;
    if (position > file.size)
      throw fail('truncated', `storage ${quote(key)} ends outside of the file`, { help: downloadAgain });
  }
  const lost = [...world.storages.keys()].find((key) => !places.has(key));
  if (lost !== undefined) throw fail('missing-field', `storage ${quote(lost)} is not in the file`);
  if (position !== file.size) throw fail('trailing-data', `${file.size - position} bytes are left over`);
  return { form: 'legacy', value, storages: [...world.storages.values()] };
}

// Files of weights and ONNX models, altered at random: bits, lengths, cuts, pieces put elsewhere. Whatever a file says, reading it gives tensors or throws a
// RetortError; it may not end the process, stand still, throw anything else, keep a tensor, or take more memory than the file and 64 MiB.
// Archives have checksums, behind which nothing would ever be tried: so what lies in them is altered too, and put into a whole archive.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { cacheInfo } from '../../src/distill/algorithms/index.ts';
import { RetortError } from '../../src/errors.ts';
import {
  onnxModelBytes,
  parseNpz,
  parseOnnx,
  parseTorch,
  RowStore,
  serializeSafetensors,
  torchStateOf,
  TorchTensor,
} from '../../src/formats/index.ts';
import type { OnnxGraph, OnnxNode, OnnxTensor, TensorRecord } from '../../src/formats/index.ts';
import { failFor } from '../../src/formats/format-error.ts';
import { decode, encode } from '../../src/formats/onnx-wire.ts';
import type { Fields } from '../../src/formats/onnx-wire.ts';
import { openBytes } from '../../src/formats/read-file.ts';
import { floats } from '../../src/formats/testing/archives.ts';
import { serializeZip } from '../../src/formats/zip-writer.ts';
import { Zip } from '../../src/formats/zip.ts';
import { loadTensors } from '../../src/nn/index.ts';
import { memory, tidy } from '../../src/torch/index.ts';
import type { Fuzzer, Outcome, Random } from './fuzzer.ts';
import { Fault } from './fuzzer.ts';

/** A change; positions count from the start and go round at the end. */
type Edit =
  | { do: 'flip'; at: number; bit: number }
  | { do: 'set'; at: number; bytes: number[] }
  | { do: 'insert'; at: number; bytes: number[] }
  | { do: 'remove'; at: number; length: number }
  | { do: 'copy'; from: number; at: number; length: number }
  | { do: 'cut'; at: number };

interface Case {
  part: string;
  /** Which of the part's files. */
  seed: number;
  edits: Edit[];
  /** Whether checksums are compared. */
  verify: boolean;
}

interface Part {
  files: readonly Uint8Array[];
  /** What a file is put into before it is read. */
  wrap?: (file: Uint8Array, seed: number) => Uint8Array;
  /** Other ways to read it than with `loadTensors`. */
  parse?: (file: Uint8Array, verify: boolean) => void;
  /** Whether `loadTensors` is for something else. */
  only?: boolean;
  /** What the file is called, where that matters. */
  name?: string;
}

const fixture = (name: string): Uint8Array =>
  readFileSync(fileURLToPath(new URL(`../../src/formats/fixtures/${name}`, import.meta.url)));
const archives = [
  'bare.pth',
  'mmengine.pth',
  'namespace.pth',
  'views.pth',
  'dtypes.pth',
  'parameters.pth',
  'protocol5.pth',
];
const torchFiles = [...archives, 'script.pt', 'foreign.pth', 'module.pth'].map(fixture);
const arrays = ['arrays.npz', 'compressed.npz'].map(fixture);

/** The entries of an archive. */
function entriesOf(file: Uint8Array): { name: string; content: Uint8Array }[] {
  const zip = new Zip(openBytes(file), failFor('zip'));
  return [...zip.entries.values()].map((entry) => ({ name: entry.name, content: zip.read(entry) }));
}

/** Single entries of archives as files, which are altered and put back into their archive. */
function inside(files: readonly Uint8Array[], wanted: RegExp): Pick<Part, 'files' | 'wrap'> {
  const places = files.flatMap((archive) => {
    const entries = entriesOf(archive);
    return entries.filter(({ name }) => wanted.test(name)).map((entry) => ({ entries, entry }));
  });
  return {
    files: places.map(({ entry }) => entry.content),
    wrap: (file, seed) => {
      const { entries, entry } = places[seed]!;
      const contents = entries.map((one) => ({ name: one.name, pieces: [one === entry ? file : one.content] }));
      return Buffer.concat([...serializeZip(contents)]);
    },
  };
}

function parseBoth(file: Uint8Array, verify: boolean): void {
  const { value } = parseTorch(file, { verify, skipUnknown: true });
  for (const one of torchStateOf(value).tensors.values()) if (one instanceof TorchTensor) one.bytes(failFor('pth'));
}

const record: TensorRecord = { dtype: 'F32', shape: [2, 3], data: floats(1, 2, 3, 4, 5, 6) };
const safetensors = Buffer.concat(
  serializeSafetensors(
    new Map([
      ['a.weight', record],
      ['b', { dtype: 'BF16', shape: [2], data: new Uint8Array(4) }],
    ]),
    { format: 'pt' },
  ),
);
const index = JSON.stringify({
  metadata: { total_size: 28 },
  weight_map: { 'a.weight': 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
});

// ---- ONNX

const tensorOf = (name: string, values: readonly number[]): OnnxTensor => {
  return { name, dtype: 'float32', dims: [values.length], data: floats(...values) };
};
/** A graph that takes `input` and gives `output`, in as many nodes as are given. */
function graphOf(nodes: readonly OnnxNode[], initializers: readonly OnnxTensor[]): OnnxGraph {
  const value = (name: string) => ({ name, dtype: 'float32', shape: ['batch', 3] }) as const;
  return { name: 'g', nodes, initializers, inputs: [value('input')], outputs: [value('output')], values: [value('h')] };
}
function modelOf(graph: OnnxGraph): Uint8Array {
  const opsets = [
    { domain: '', version: 17 },
    { domain: 'ai.onnx.ml', version: 3 },
  ];
  return onnxModelBytes({ irVersion: 8, producerName: 'fuzz', opsets, metadata: { classes: '["a", "b"]' }, graph });
}
const node = (opType: string, names: readonly [string[], string[]], attributes: OnnxNode['attributes'] = {}) => {
  return { opType, name: `${opType}_1`, inputs: names[0], outputs: names[1], attributes };
};
const branch = (name: string): OnnxGraph => ({
  ...{ name, inputs: [], initializers: [tensorOf('k', [1, 2, 3])] },
  nodes: [node('Add', [['h', 'k'], [`${name}_out`]])],
  outputs: [{ name: `${name}_out` }],
});
const straight = graphOf(
  [
    node('Mul', [['input', 'w'], ['h']]),
    node('Clip', [['h', '', 'w'], ['output']], { axes: { type: 'ints', value: [0, -1] } }),
  ],
  [tensorOf('w', [1, 2, 3]), { name: 's', dtype: 'string', dims: [2], data: new Uint8Array(), strings: ['a', 'ü'] }],
);
const branching = graphOf(
  [
    node('Cast', [['input'], ['h']], { to: { type: 'int', value: 2n ** 60n }, s: { type: 'string', value: 'x' } }),
    node('Constant', [[], ['c']], { value: { type: 'tensor', value: tensorOf('', [1]) } }),
    node('If', [['c'], ['output']], {
      then_branch: { type: 'graph', value: branch('then') },
      else_branch: { type: 'graph', value: branch('else') },
      scales: { type: 'floats', value: [0.5, 2] },
    }),
  ],
  [],
);
/** The same model with the values of its first constant elsewhere. */
function placed(file: Uint8Array, elsewhere: Fields): Uint8Array {
  const model = decode('Model', file);
  const graph = model['graph']![0] as Fields;
  const [first, ...rest] = graph['initializers'] as readonly Fields[];
  const { raw: _raw, ...bare } = first!;
  const initializers = [{ ...bare, ...elsewhere }, ...rest];
  return Buffer.concat(encode('Model', { ...model, graph: [{ ...graph, initializers }] }).list);
}
const plain = modelOf(straight);
const entries = [
  { key: ['location'], value: ['weights.bin'] },
  { key: ['length'], value: ['12'] },
];
const onnxFiles = [
  ...[plain, modelOf(branching)],
  placed(plain, { floatData: [floats(1), floats(2), floats(3)] }),
  placed(plain, { dataType: [7], int64Data: [1, -2, 2n ** 62n] }),
  placed(plain, { dataType: [10], int32Data: [1, 2, 65_535] }),
  placed(plain, { dataType: [11], doubleData: [new Uint8Array(24)] }),
  placed(plain, { dataType: [13], uint64Data: [1, 2, 3] }),
  placed(plain, { external: entries, location: [1] }),
];

/** What is read can be written, and read again. */
function parseAgain(file: Uint8Array): void {
  const written = onnxModelBytes(parseOnnx(file));
  try {
    parseOnnx(written);
  } catch (error) {
    throw new Fault('writes what it does not read', (error as Error).message);
  }
}

// ---- rows of a teacher cache

const cacheField = { recorder: 'fc', rows: 1, shape: [3], dtype: 'float32', format: { topk: 2 } };
const cacheColumns = [8, 8, 4, 32].map((bytes, i) => ({ name: ['0', '0.class', '0.rest', 'seen.teacher'][i]!, bytes }));
const cacheAbout = {
  ...{ teachers: { teacher: 'ab' }, recorders: ['fc: ModuleOutputs fc'], preparation: { teacher: ['{}'] } },
  ...{ samples: 9, seed: 0, views: 2, layout: { fields: [cacheField], records: { fc: [{ list: [{ field: 0 }] }] } } },
};
/** A cache in a folder: three blocks of rows, by a process that has ended. */
function makeRows(path: string): void {
  const store = RowStore.create(path, cacheColumns, cacheAbout);
  for (const samples of [[0, 1, 2], [5], [3, 8]]) {
    const rows = cacheColumns.map(({ bytes }) => new Uint8Array(bytes * samples.length).fill(samples.length));
    store.append(samples.length % 2, samples, rows);
  }
  store.close();
}

/** What is found is whole; whatever a file says can be looked at, and mended. */
function readRows(path: string): void {
  try {
    const store = RowStore.open(path);
    cacheInfo(path, store);
    if (store.verify().length > 0) throw new Fault('reads what is not there', 'rows that were not changed are damaged');
    for (let sample = 0; sample < 9; sample++) {
      const place = store.find(0, sample);
      if (place !== undefined) store.require(place);
    }
  } finally {
    RowStore.inspect(path).verify();
  }
}

const madeRows = mkdtempSync(join(tmpdir(), 'retort-fuzz-rows-'));
makeRows(madeRows);
const [rowsAbout, rowsIndex] = ['cache.json', '000001.index'].map((name) => readFileSync(join(madeRows, name)));
rmSync(madeRows, { recursive: true });

const parts: Readonly<Record<string, Part>> = {
  archive: { files: torchFiles, parse: parseBoth },
  pickle: { ...inside(torchFiles, /\.pkl$/), parse: parseBoth },
  legacy: { files: [fixture('legacy.pth')], parse: parseBoth },
  npz: { files: arrays, parse: (file, verify) => void parseNpz(file, { verify }) },
  npy: { ...inside(arrays, /\.npy$/), parse: (file, verify) => void parseNpz(file, { verify }) },
  safetensors: { files: [safetensors] },
  onnx: { files: onnxFiles, parse: parseAgain, only: true },
  index: { files: [Buffer.from(index)], name: 'model.safetensors.index.json' },
  rows: { files: [rowsIndex!], name: '000001.index', parse: () => readRows(join(folder, 'rows')), only: true },
  'rows-about': {
    ...{ files: [rowsAbout!], name: 'cache.json', parse: () => readRows(join(folder, 'rows-about')), only: true },
  },
};

// ---- making

/** Numbers that lengths, sizes and offsets do not expect. */
const oddNumbers: readonly (readonly number[])[] = [
  [0, 0, 0, 0],
  [255, 255, 255, 255],
  [255, 255, 255, 127],
  [0, 0, 0, 128],
  [1, 0, 0, 0],
  [0, 0, 1, 0],
  [255, 255, 255, 255, 255, 255, 255, 255],
  [255, 255, 255, 255, 255, 255, 255, 127],
  [0, 0, 0, 0, 1, 0, 0, 0],
  [255, 255],
];
/** Opcodes of pickles, and pieces of JSON and of NumPy's headers. */
const words = [
  '(',
  '}',
  ']',
  ')',
  '0',
  '2',
  't',
  'R',
  'b',
  'Q',
  'u',
  's',
  'e',
  'a',
  'h\0',
  'h\x01',
  'N',
  '.',
  '\x81',
  '\x85',
  '\x86',
  'cos\nsystem\n',
  'K\xff',
  '"',
  '{',
  '[',
  ',',
  '-1',
  '1e99',
  "'|O'",
  '..',
  '/',
];

function edit(random: Random): Edit {
  const at = random.int(0, 2 ** 20);
  const length = random.pick([1, 1, 2, 4, 8, 16, 64, 300]);
  switch (random.int(0, 9)) {
    case 0:
    case 1:
    case 2:
      return { do: 'flip', at, bit: random.int(0, 7) };
    case 3:
      return { do: 'set', at, bytes: random.list(random.int(1, 4), () => random.int(0, 255)) };
    case 4:
      return { do: 'set', at, bytes: [...random.pick(oddNumbers)] };
    case 5:
      return { do: 'insert', at, bytes: [...Buffer.from(random.pick(words), 'latin1')] };
    case 6:
      return { do: 'remove', at, length };
    case 7:
    case 8:
      return { do: 'copy', from: random.int(0, 2 ** 20), at, length };
    default:
      return { do: 'cut', at };
  }
}

function* cases(random: Random, part: string): Generator<Case, void, Outcome> {
  const { files } = parts[part]!;
  for (;;) {
    const seed = random.int(0, files.length - 1);
    const edits = random.list(random.pick([0, 1, 1, 1, 1, 2, 2, 3, 5]), () => edit(random));
    yield { part, seed, edits, verify: random.chance(0.5) };
  }
}

function edited(file: Uint8Array, edits: readonly Edit[]): Buffer {
  let out = Buffer.from(file);
  for (const one of edits) {
    const at = one.at % (out.length + 1);
    if (one.do === 'cut') out = out.subarray(0, at);
    else if (one.do === 'flip' && at < out.length) out[at]! ^= 1 << one.bit;
    else if (one.do === 'set') out.set(one.bytes.slice(0, out.length - at), at);
    else if (one.do === 'insert') out = Buffer.concat([out.subarray(0, at), Buffer.from(one.bytes), out.subarray(at)]);
    else if (one.do === 'remove') out = Buffer.concat([out.subarray(0, at), out.subarray(at + one.length)]);
    else if (one.do === 'copy') {
      const from = one.from % (out.length + 1);
      out = Buffer.concat([out.subarray(0, at), out.subarray(from, from + one.length), out.subarray(at)]);
    }
    out = Buffer.from(out);
  }
  return out;
}

function fileOf({ part, seed, edits }: Case): Uint8Array {
  const { files, wrap } = parts[part]!;
  const file = edited(files[seed]!, edits);
  return wrap === undefined ? file : wrap(file, seed);
}

// ---- trying

const folder = mkdtempSync(join(tmpdir(), 'retort-fuzz-formats-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const part of Object.keys(parts)) mkdirSync(join(folder, part));
writeFileSync(
  join(folder, 'index', 'model-00001-of-00002.safetensors'),
  Buffer.concat(serializeSafetensors(new Map([['a.weight', record]]))),
);
writeFileSync(
  join(folder, 'index', 'model-00002-of-00002.safetensors'),
  Buffer.concat(serializeSafetensors(new Map([['b', record]]))),
);

for (const part of ['rows', 'rows-about']) makeRows(join(folder, part));

const mostMemory = 2 ** 26;

function attempt(tried: Case): Outcome {
  const { part, verify } = tried;
  const { name = 'model', parse, only = false } = parts[part]!;
  const file = fileOf(tried);
  const path = join(folder, part, name);
  writeFileSync(path, file);
  const before = memory().tensors;
  const all = (): Read[] => [
    ...(only ? [] : [reading(() => tidy(() => void loadTensors(path, { verify, skipUnknown: verify })))]),
    ...(parse === undefined ? [] : [reading(() => parse(file, verify))]),
  ];
  const most = (reads: readonly Read[]): number => Math.max(...reads.map(({ grown }) => grown)) - file.length;
  const reads = all();
  const after = memory().tensors;
  if (after !== before) throw new Fault('keeps tensors', `${after - before} more tensors are alive than before`);
  if (most(reads) > mostMemory) {
    // Once more: the garbage of what came before may have been counted.
    (globalThis as { gc?: () => void }).gc?.();
    const more = most(all());
    if (more > mostMemory) throw new Fault('takes memory', `${more} bytes more than the ${file.length} of the file`);
  }
  return reads.some(({ outcome }) => outcome === 'taken') ? 'taken' : 'refused';
}

interface Read {
  outcome: Outcome;
  /** How many bytes the process grew by, at the peak. */
  grown: number;
}

function reading(read: () => void): Read {
  writeFileSync('/proc/self/clear_refs', '5');
  const start = status('VmRSS');
  const outcome = outcomeOf(read);
  return { outcome, grown: Math.max(0, status('VmHWM') - start) };
}

function outcomeOf(read: () => void): Outcome {
  try {
    read();
    return 'taken';
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    if (/frame #|\.cpp:\d|Exception raised from/.test(error.message)) throw new Fault('shows C++', error.message);
    return 'refused';
  }
}

function status(name: string): number {
  return (
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) * 1024
  );
}

const fuzzer: Fuzzer<Case> = {
  summary: 'files of weights and ONNX models, altered at random',
  calls: 100_000 * Object.keys(parts).length,
  parts: () => Object.keys(parts),
  cases,
  attempt,
  *simpler(tried) {
    for (let i = 0; i < tried.edits.length; i++) yield { ...tried, edits: tried.edits.filter((_, one) => one !== i) };
  },
  source: (tried) =>
    [
      `// a file of the part "${tried.part}", checksums ${tried.verify ? '' : 'not '}compared`,
      `const file = Buffer.from('${Buffer.from(fileOf(tried)).toString('base64')}', 'base64');`,
      `// made by ${JSON.stringify(tried)}`,
    ].join('\n'),
};
export default fuzzer;

// A file of weights as another file: other names, half the bytes, another format.
import { dirname, extname, join } from 'node:path';

import { didYouMean, RetortError } from '../errors.ts';
import { exists, isFile, isFolder, listFolder } from '../files.ts';
import { loadTensors, saveTensors } from '../nn/index.ts';
import { tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { nameOfConvention, toOurNames, toTheirNames } from './names/index.ts';
import type { Convention, OurNames, Part } from './names/index.ts';

/** Options of {@link convertWeights}. */
export interface ConvertOptions {
  /** Whose names the tensors get: a library's, or `'retort'` for ours, OpenMMLab's. Default `'retort'`. */
  to?: Convention | 'retort';
  /** Which of several state dicts in the file, such as `'ema'`. Default: the one that the format says is the network's. */
  entry?: string;
  /** Which network of a checkpoint of a whole distillation. Default `'student'`. */
  part?: Part;
  /** Write floating numbers as float16. Default false. */
  half?: boolean;
  /** Replace a file that is there. Default false. */
  force?: boolean;
  /** Pass over objects of unknown Python classes in a file of PyTorch instead of refusing it; none is ever run. Default false. */
  skipUnknown?: boolean;
}

/** What {@link convertWeights} did. */
export interface ConvertReport {
  /** The file that was read: of a run's folder, its student. */
  from: string;
  to: string;
  /** Of the file that was read. */
  format: string;
  /** Whose names it had; undefined where no table knows them, and they were kept. */
  convention?: Convention | 'retort';
  /** The network's family, where a table says it. */
  family?: string;
  /** How many tensors were written. */
  tensors: number;
  /** Tensors of the file that were not written, by their names there: other networks, indices that are computed. */
  dropped: readonly string[];
  /** All of it, a line each. */
  lines: readonly string[];
}

const conventions: readonly (Convention | 'retort')[] = ['retort', 'torchvision', 'timm', 'huggingface'];
/** The formats that can be written, by the ends of names. */
const writable: readonly string[] = ['.safetensors', '.pth', '.pt', '.npz'];
/** The file of a run's folder that is meant. */
const student = 'student.safetensors';

/**
 * Writes a file of weights as another one. Names become ours (or `to`) where they are recognized; where they are not, they are kept if
 * ours are asked for. The file is written as a whole, or not at all.
 *
 * @param from a file of weights, or the folder of a run, whose student is meant
 * @param to a file whose name ends in `.safetensors` (metadata are kept), `.pth`, `.pt` (a bare state dict, for `torch.load`) or `.npz`
 * @throws {RetortError} for a file that is there already (unless `force`), one that cannot be read, an unknown format or library, and
 *   names that the library does not have.
 *
 * @example
 * ```ts
 * const { lines } = convertWeights('runs/kd', 'student-timm.safetensors', { to: 'timm', half: true });
 * ```
 */
export function convertWeights(from: string, to: string, options: ConvertOptions = {}): ConvertReport {
  const { to: wanted = 'retort', entry, part, half = false, force = false, skipUnknown = false } = options;
  requireTarget(to, wanted, force);
  const file = isFolder(from) ? studentIn(from) : from;
  return tidy(() => {
    const loaded = loadTensors(file, { verify: true, skipUnknown, ...(entry === undefined ? {} : { entry }) });
    const given = loaded.tensors;
    const read = readNames(given, part, wanted);
    const ours = read?.state ?? given;
    const renamed = wanted === 'retort' ? { state: ours, dropped: [] } : toTheirNames(ours, wanted);
    const written = half ? halved(renamed.state) : renamed.state;
    saveTensors(to, written, extname(to).toLowerCase() === '.safetensors' ? otherMetadata(loaded.metadata) : {});
    const sources = new Map(read?.sources ?? Object.keys(given).map((name) => [name, [name]] as const));
    for (const name of renamed.dropped) sources.delete(name);
    const used = new Set([...sources.values()].flat());
    const dropped = [...Object.keys(given).filter((name) => !used.has(name)), ...Object.keys(loaded.leftOut)];
    const report = {
      ...{ from: file, to, format: loaded.format },
      ...(read === undefined ? {} : { convention: read.convention }),
      ...(read?.family === undefined ? {} : { family: read.family }),
      ...{ tensors: Object.keys(written).length, dropped },
    };
    return { ...report, lines: linesOf(report, { given, read, wanted, half }) };
  });
}

type State = Readonly<Record<string, Tensor>>;

function requireTarget(to: string, wanted: string, force: boolean): void {
  if (!(conventions as readonly string[]).includes(wanted)) {
    throw new RetortError(`to: unknown names "${wanted}"; ${didYouMean(wanted, conventions)}`, {
      code: 'unknown-name',
    });
  }
  if (!writable.includes(extname(to).toLowerCase())) {
    throw new RetortError(`${to}: expected a name that ends in ${writable.join(', ')}, which says the format`, {
      code: 'unsupported',
      help: `such as ${to.slice(0, to.length - extname(to).length)}${writable[0]}`,
    });
  }
  if (!force && exists(to)) {
    throw new RetortError(`${to} is there already`, {
      help: 'name another file, or pass force (--force) to replace it',
    });
  }
  const folder = dirname(to);
  if (isFolder(folder)) return;
  throw new RetortError(`${to}: there is no folder ${folder}`, { code: 'not-found', help: 'make the folder first' });
}

/** The student of a run's folder; a folder that is none of a run is left to the reader of weights. */
function studentIn(folder: string): string {
  const own = join(folder, student);
  if (isFile(own)) return own;
  const stages = listFolder(folder).filter((one) => one.isDirectory() && isFile(join(folder, one.name, student)));
  if (stages.length === 0) return folder;
  throw new RetortError(`${folder} has several stages, each with a student`, {
    help: `name one of ${stages.map(({ name }) => join(folder, name)).join(', ')}`,
  });
}

/** The tensors under our names; undefined where no table knows them and ours are wanted. */
function readNames(given: State, part: Part | undefined, wanted: string): OurNames | undefined {
  try {
    return toOurNames(given, undefined, part === undefined ? {} : { part });
  } catch (error) {
    if (wanted === 'retort' && error instanceof RetortError && error.code === 'mismatch') return undefined;
    throw error;
  }
}

/** @throws {RetortError} for numbers that float16 does not have. */
function halved(state: State): State {
  return Object.fromEntries(
    Object.entries(state).map(([name, value]) => {
      if (!['float64', 'float32', 'bfloat16'].includes(value.dtype)) return [name, value];
      const half = value.to('float16');
      if (tidy(() => half.isfinite().ne(value.isfinite()).any().item()) === 1) {
        throw new RetortError(`half: "${name}" has numbers beyond 65504, the greatest of float16`, {
          code: 'unsupported',
          help: 'write it in float32: leave half (--half) out',
        });
      }
      return [name, half];
    }),
  );
}

/** What a file says of itself, without what is true of that file alone. */
function otherMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const { checksum: _checksum, ...rest } = metadata;
  return rest;
}

interface Said {
  given: State;
  read: OurNames | undefined;
  wanted: Convention | 'retort';
  half: boolean;
}

function linesOf(report: Omit<ConvertReport, 'lines'>, { given, read, wanted, half }: Said): string[] {
  const { from, to, format, tensors, dropped } = report;
  const names =
    read === undefined
      ? 'no library that is known has these names: they are kept'
      : [
          `${read.library}${read.family === undefined ? '' : `, ${read.family}`}`,
          ...(read.prefix === '' ? [] : [`under "${read.prefix}"`]),
          ...(read.library === nameOfConvention(wanted) ? [] : [`written as ${nameOfConvention(wanted)}'s`]),
        ].join(', ');
  const shown = dropped.slice(0, 4).join(', ');
  return [
    `read    ${from} (${format}): ${Object.keys(given).length} tensors`,
    `names   ${names}`,
    ...(dropped.length === 0 ? [] : [`dropped ${dropped.length}: ${shown}${dropped.length > 4 ? ', ...' : ''}`]),
    `wrote   ${to}: ${tensors} tensors${half ? ', float16' : ''}`,
  ];
}

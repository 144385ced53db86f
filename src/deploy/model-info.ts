// `model.json`, which lies beside the weights of a student: what network they are of, what images it wants, what its scores mean.
import { basename, dirname, join } from 'node:path';

import { z } from 'zod';

import { shown } from '../check.ts';
import { RetortError } from '../errors.ts';
import { exists, isFolder, listFolder, readText } from '../files.ts';
import { writeFileAtomicSync } from '../formats/index.ts';
import { validate } from '../registry/index.ts';

const typed = z.looseObject({ type: z.string() });
const perChannel = z.array(z.number());

const preprocessingSchema = z.strictObject({
  /** 3 for color, 1 for gray. */
  channels: z.number().int().positive(),
  /** `[height, width]` of what the network was evaluated on; null where images keep the size they have. */
  size: z.tuple([z.number().int().positive(), z.number().int().positive()]).nullable(),
  /** The order of the channels that the network sees. */
  colorOrder: z.enum(['gray', 'rgb', 'bgr']),
  /** Of each channel in that order, of values between 0 and 1; null where images are not normalized. */
  mean: perChannel.nullable(),
  std: perChannel.nullable(),
  /** Everything that is done to an image of 0 to 255, in order, as configs say it: it is what counts, the above says it in short. */
  transforms: z.array(typed),
});

const schema = z.looseObject({
  format: z.literal('retort-model'),
  version: z.literal(1),
  /** As a config names it; null where it was an object of a program. */
  network: typed.nullable(),
  /** The file of the weights, in the same folder. */
  weights: z.string().regex(/^[^/\\]+\.safetensors$/, 'expected the name of a .safetensors file in the same folder'),
  /** The names of the classes, in the order of the scores; empty where there are none. */
  classes: z.array(z.string()),
  /** null where the samples are no images, or what is done to them is no data. */
  preprocessing: preprocessingSchema.nullable(),
  /** Of the last evaluation, by network, such as `{ student: { accuracy: 91.2 } }`; empty before the first. */
  metrics: z.record(z.string(), z.record(z.string(), z.number().nullable())),
  /** Of Retort, Node and libtorch. */
  versions: z.record(z.string(), z.string()),
  /** When it was written, ISO 8601. */
  created: z.string(),
});

/** What is done to an image before a network sees it. */
export type Preprocessing = z.output<typeof preprocessingSchema>;

/** What `model.json` says of a student; see its fields in the file's schema. */
export interface ModelInfo extends z.output<typeof schema> {}

/** The name of the description beside a file of weights: `model.json`, and `model-peer.json` for `student-peer.safetensors`. */
function modelInfoFile(weights: string): string {
  return `${basename(weights)
    .replace(/^student/, 'model')
    .replace(/\.safetensors$/, '')}.json`;
}

/** Writes the description beside the weights that it is of; the file is replaced as a whole. */
export function writeModelInfo(folder: string, info: ModelInfo): void {
  const text = `${JSON.stringify(info, null, 2)}\n`;
  writeFileAtomicSync(join(folder, modelInfoFile(info.weights)), Buffer.from(text));
}

/** A description, and where it and the weights are. */
export interface FoundModel {
  readonly info: ModelInfo;
  /** The path of the description. */
  readonly file: string;
  /** The path of the weights. */
  readonly weights: string;
}

/**
 * Finds a student: by the folder of a run, by the folder of a stage, by its weights, or by its `model.json`.
 * @param stage in the folder of a run of several stages. Default: the last that has a student.
 * @throws {RetortError} when there is none, or the description is not one.
 */
export function findModel(path: string, { stage }: { stage?: string | undefined } = {}): FoundModel {
  if (!exists(path)) {
    throw new RetortError(`${path}: there is no such file or folder`, {
      code: 'not-found',
      help: 'name the folder of a run, or a student.safetensors with its model.json beside it',
    });
  }
  const file = isFolder(path) ? infoIn(path, stage) : path.endsWith('.safetensors') ? beside(path) : path;
  const info = readModelInfo(file);
  const weights = path.endsWith('.safetensors') ? path : join(dirname(file), info.weights);
  if (!exists(weights)) {
    throw new RetortError(`${file} names the weights ${info.weights}, which are not there`, {
      code: 'not-found',
      help: 'put them beside it; a run that was stopped before its first checkpoint has none yet',
    });
  }
  return { info, file, weights };
}

function beside(weights: string): string {
  const file = join(dirname(weights), modelInfoFile(weights));
  if (exists(file)) return file;
  // kept by a hook: student-best, student-epoch-3, student-ema
  const first = join(dirname(weights), 'model.json');
  if (exists(first)) return first;
  throw new RetortError(`${weights}: there is no ${basename(file)} beside it, which says what network it is of`, {
    code: 'not-found',
    help: 'copy it along from the folder of the run',
  });
}

function infoIn(folder: string, stage: string | undefined): string {
  const at = (name: string): string => join(folder, name, 'model.json');
  const isRun = exists(join(folder, 'run.json'));
  const stages = listFolder(folder)
    .filter((entry) => entry.isDirectory() && exists(at(entry.name)))
    .map(({ name }) => name);
  if (stage !== undefined) {
    if (stages.includes(stage)) return at(stage);
    throw new RetortError(`${folder}: stage "${stage}" has no model.json; it has ${stages.join(', ') || 'no stages'}`, {
      code: 'unknown-name',
    });
  }
  if (exists(at(''))) return at('');
  if (!isRun && stages.length > 0) {
    throw new RetortError(`${folder} is no run: it has no run.json, and its folders hold students`, {
      code: 'not-found',
      help: `name one of them: ${stages
        .slice(0, 5)
        .map((name) => join(folder, name))
        .join(', ')}`,
    });
  }
  const created = (name: string): string => readModelInfo(at(name)).created;
  const last = stages.toSorted((a, b) => (created(a) < created(b) ? -1 : 1)).at(-1);
  if (last !== undefined) return at(last);
  throw new RetortError(`${folder} has no model.json, which says what network its student is`, {
    code: 'not-found',
    help: isRun
      ? 'the run was not trained far enough, or by an older version: resuming it writes the file, also when it is finished'
      : 'name the folder of a run',
  });
}

/** Reads a description. @throws {RetortError} for a file that is none, or of a newer version. */
export function readModelInfo(path: string): ModelInfo {
  const help = 'is it the model.json of a run?';
  let value: unknown;
  try {
    value = JSON.parse(readText(path));
  } catch (cause) {
    if (cause instanceof RetortError) throw cause;
    throw new RetortError(`${path} is not JSON: ${(cause as Error).message}`, { code: 'invalid-file', cause, help });
  }
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format !== 'retort-model') {
    throw new RetortError(
      `${path} does not describe a student: format: expected "retort-model", got ${shown(format)}`,
      {
        code: 'invalid-file',
        help,
      },
    );
  }
  if (typeof version === 'number' && version > 1) {
    throw new RetortError(`${path} is of version ${version}, and 1 is the newest that is known`, {
      code: 'unsupported',
      help: 'install a newer version of Retort',
    });
  }
  try {
    return validate(schema, value, path);
  } catch (cause) {
    if (!(cause instanceof RetortError)) throw cause;
    throw new RetortError(cause.message, { code: 'invalid-file', cause, help });
  }
}

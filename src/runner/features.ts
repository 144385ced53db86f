// Feature maps of images: of a run's student or teacher, of both, or how far they are apart, as pictures.
import { join } from 'node:path';

import { z } from 'zod';

import { retortCommand } from '../../tools/addon-file.mjs';
import type { CheckedConfig, CheckedStage } from '../config/index.ts';
import { buildTransform } from '../data/index.ts';
import type { Dataset, Transform } from '../data/index.ts';
import { decoded, ImagePreparation } from '../deploy/images.ts';
import type { DecodedImage, ImageInput } from '../deploy/images.ts';
import type { Preprocessing } from '../deploy/model-info.ts';
import type { Algorithm } from '../distill/algorithms/index.ts';
import { runFiles } from '../engine/index.ts';
import { didYouMean, RetortError } from '../errors.ts';
import { difference, drawFeatureMap } from '../features/index.ts';
import type { DrawnMap, FeatureMap, Picture } from '../features/index.ts';
import { drawOptions } from '../features/draw.ts';
import { imageOf } from '../features/images.ts';
import { comfortable } from '../features/numbers.ts';
import { MappedRecords } from '../features/recording.ts';
import { exists, isFolder } from '../files.ts';
import { loadNetwork } from '../models/index.ts';
import { loadTensors } from '../nn/index.ts';
import type { Module, Network } from '../nn/index.ts';
import { checkOptions } from '../registry/index.ts';
import type { OptionsFrom } from '../registry/index.ts';
import { noGrad, tidy } from '../torch/index.ts';
import { overridden } from './build.ts';
import { freeExperiment } from './experiment.ts';
import { load } from './load.ts';
import type { ConfigSource, LoadedExperiment, LoadOptions } from './load.ts';
import type { Overrides } from './run-folder.ts';
import { prepareStage, stageFolder, studentAsked } from './stages.ts';
import { loadRunStudent } from './student.ts';
import { studentInfo } from './student-info.ts';
import { stagesNeeded, studentOfFile } from './test.ts';

/** Whose maps are drawn; `both` is each by itself, `diff` what is between them. */
export const featureSides = ['student', 'teacher', 'both', 'diff'] as const;

const own = {
  /** What is recorded: paths of modules such as `backbone.layer3`. */
  record: z.array(z.string()).min(1).readonly(),
  /** The same in the teacher, one for each of `record`. Default: the same paths. */
  teacherRecord: z.array(z.string()).min(1).readonly().optional(),
  /** Which teacher, of several. Default: the first. */
  teacher: z.string().optional(),
  /** Whose maps are drawn. Default `student`; with `against` it is `diff`. */
  side: z.enum(featureSides).optional(),
  /** The name of a connector of the distiller that the student's maps go through first. Default none. */
  connector: z.string().optional(),
  /** The same for the teacher's. Default none. */
  teacherConnector: z.string().optional(),
  /** The student is compared with itself under other weights: a file of them, or the folder of another run. */
  against: z.string().optional(),
  /** What is recorded are weights of attention; a block or its attention may be named. Default false. */
  attention: z.boolean().default(false),
  /** Draw over the image. Default true. */
  overlay: z.boolean().default(true),
};
const schema = z.strictObject({ ...own, ...drawOptions });

/** Options of {@link features}; those of the pictures are `DrawOptions`. */
export interface FeaturesOptions
  extends OptionsFrom<typeof own>, OptionsFrom<typeof drawOptions>, LoadOptions, Pick<Overrides, 'device'> {
  /** A file of the student's weights. Default: that of the run; of a config those that it begins with. */
  checkpoint?: string | undefined;
  /** The stage, of a config of several. Default: the last. */
  stage?: string | undefined;
  /** Told of an image that cannot be read, by its number; the others are drawn. Default: the error is thrown. */
  skipped?: ((image: number, error: RetortError) => void) | undefined;
}

/** One picture. */
export interface DrawnFeature {
  /** Which of the images, by number. */
  image: number;
  /** The path of the student's module that was recorded. */
  record: string;
  /** Which of the tensors of a record that is a list; undefined where it is one. */
  part: number | undefined;
  side: 'student' | 'teacher' | 'diff';
  /** `(C, H, W)` of the map. */
  shape: readonly [number, number, number];
  picture: DrawnMap;
}

/** A network, and how images become its inputs. */
interface Viewer {
  network: Network;
  preprocessing: Preprocessing | null;
  connector?: Module | undefined;
  dispose: () => void;
}

/**
 * Draws feature maps of images, one after the other: image by image, record by record.
 * @param config the folder of a run, or a config
 * @param images paths of files, bytes, pixels or tensors, as `Student.predict` takes them
 * @throws {RetortError} for paths that the networks do not have (with the nearest), records that are no maps, images that cannot be
 *   decoded, maps of different shapes, and whatever keeps the networks from being built.
 * @example
 * ```ts
 * for await (const { picture } of features('runs/kd', ['cat.jpg'], { record: ['backbone.layer3'], side: 'both' })) {
 *   console.log(picture.width, picture.height, picture.range);
 * }
 * ```
 */
export async function* features(
  config: ConfigSource,
  images: readonly ImageInput[],
  { checkpoint, stage, device, base, cfgOptions, packages, allowScripts, note, skipped, ...given }: FeaturesOptions,
): AsyncGenerator<DrawnFeature, void> {
  const options = checkOptions(schema, given, 'features');
  const asked = { checkpoint, stage, device, base, cfgOptions, packages, allowScripts, note };
  const side = sideOf(options);
  const { record, teacherRecord = record, attention, overlay, channelReduction, resizeShape } = options;
  if (teacherRecord.length !== record.length) {
    throw new RetortError(
      `features: teacherRecord: expected as many paths as record has, ${record.length}, got ${teacherRecord.length}`,
    );
  }
  const viewers = await viewersOf(config, options, asked);
  try {
    const views = Object.entries(viewers).map(([name, viewer]) => {
      const paths = name === 'teacher' ? teacherRecord : record;
      return new View(viewer, paths, { attention, where: name });
    });
    const drawing = Object.fromEntries(Object.keys(drawOptions).map((key) => [key, options[key as never]]));
    try {
      for (const [image, input] of images.entries()) {
        const read = await readBy(views, input, skipped && ((error) => skipped(image, error)));
        if (read === undefined) continue;
        const seen = views.map((view, i) => view.look(read[i]!));
        for (const [i, path] of record.entries()) {
          const each = seen.map(({ maps }) => maps.get(String(i))!);
          const shownMaps: readonly (readonly [DrawnFeature['side'], FeatureMap[]])[] =
            side === 'diff'
              ? [['diff', differences(each, path)]]
              : Object.keys(viewers).map((name, k) => [name as 'student' | 'teacher', each[k]!]);
          for (const [which, maps] of shownMaps) {
            const under = overlay ? (seen[Object.keys(viewers).indexOf(which)] ?? seen[0]!).image : undefined;
            for (const [k, map] of maps.entries()) {
              const size = resizeShape ?? comfortable(under ?? map, channelReduction === null);
              const picture = drawFeatureMap(map, { ...drawing, resizeShape: size, image: under });
              const part = maps.length === 1 ? undefined : k;
              yield { image, record: path, part, side: which, shape: map.shape, picture };
            }
          }
        }
      }
    } finally {
      for (const view of views) view[Symbol.dispose]();
    }
  } finally {
    for (const { dispose } of Object.values(viewers)) dispose();
  }
}

/** @throws {RetortError} for options that say two things. */
function sideOf({
  side,
  against,
  connector,
  teacherConnector,
  teacherRecord,
  teacher,
}: z.output<typeof schema>): string {
  if (against === undefined) return side ?? 'student';
  if (side !== undefined && side !== 'diff') {
    throw new RetortError(`features: side: expected diff beside against, got ${side}`, {
      help: 'against compares the student with itself under other weights',
    });
  }
  const teachers = Object.entries({ connector, teacherConnector, teacherRecord, teacher }).find(
    ([, value]) => value !== undefined,
  );
  if (teachers === undefined) return 'diff';
  throw new RetortError(`features: ${teachers[0]}: expected nothing beside against: there is no teacher in it`);
}

function differences([a, b]: readonly FeatureMap[][], path: string): FeatureMap[] {
  const [ones, others] = [a!, b!];
  if (ones.length !== others.length) {
    throw new RetortError(`features: ${path}: expected as many maps of both, got ${ones.length} and ${others.length}`);
  }
  return ones.map((map, i) => {
    try {
      return difference(map, others[i]!);
    } catch (error) {
      if (!(error instanceof RetortError) || error.code !== 'mismatch') throw error;
      throw new RetortError(`features: ${path}: ${error.what}`, {
        code: 'mismatch',
        help: `name the connector of the distiller that brings them together: ${retortCommand('features ... --side diff --connector NAME')}`,
      });
    }
  });
}

/** An image as each network takes it; undefined where it cannot be read, and somebody is told. */
async function readBy(
  views: readonly View[],
  input: ImageInput,
  skipped: ((error: RetortError) => void) | undefined,
): Promise<DecodedImage[] | undefined> {
  try {
    return await Promise.all(views.map((view) => view.read(input)));
  } catch (error) {
    if (skipped === undefined || !(error instanceof RetortError)) throw error;
    skipped(error);
    return undefined;
  }
}

interface Seen {
  image: Picture | undefined;
  maps: Map<string, FeatureMap[]>;
}

/** What is recorded of one network. */
class View implements Disposable {
  readonly #viewer: Viewer;
  readonly #records: MappedRecords;
  readonly #preparation: ImagePreparation;
  readonly #normalize: readonly Transform[];

  constructor(viewer: Viewer, paths: readonly string[], { attention, where }: { attention: boolean; where: string }) {
    const { network, preprocessing, connector = null } = viewer;
    const sources = paths.map((path) => (attention ? weightsOf(network, path) : path));
    const names = sources.map((source, i) => [String(i), source] as const);
    this.#viewer = viewer;
    this.#records = new MappedRecords(
      {
        recorders: Object.fromEntries(names.map(([name, source]) => [name, { type: 'ModuleOutputs', source }])),
        mappings: Object.fromEntries(
          names.map(([name]) => [
            name,
            { recorder: name, recordIdx: 0, dataIdx: null, connector, attention, minus: null },
          ]),
        ),
      },
      where,
    ).initialize(network);
    this.#preparation = new ImagePreparation(preprocessing);
    this.#normalize = (preprocessing?.transforms ?? [])
      .filter(({ type }) => type === 'Normalize')
      .map((one) => buildTransform(one));
  }

  read(input: ImageInput): Promise<DecodedImage> {
    return decoded(input, this.#viewer.preprocessing);
  }

  look(pixels: DecodedImage): Seen {
    const { network } = this.#viewer;
    return noGrad(() =>
      tidy(() => {
        const prepared = this.#preparation.prepare(pixels);
        const device = network.parameters()[0]?.device ?? prepared.device;
        const [, , height, width] = prepared.shape as [number, number, number, number];
        return {
          maps: this.#records.take(() => network.forward(prepared.to({ device })), [height, width]),
          image: imageOf(prepared, this.#normalize),
        };
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#preparation[Symbol.dispose]();
    for (const one of this.#normalize) (one as Partial<Disposable>)[Symbol.dispose]?.();
  }
}

/** What sees the weights of attention, where their block or their attention is named. */
function weightsOf(network: Network, path: string): string {
  const inside = ['attn_drop', 'attn.attn_drop'].map((name) => `${path}.${name}`);
  return inside.find((one) => network.getModule(one) !== undefined) ?? path;
}

type Asked = Pick<FeaturesOptions, 'checkpoint' | 'stage' | 'device'> & LoadOptions;

/** The networks that are looked at, by name; of a difference there are two. */
async function viewersOf(
  config: ConfigSource,
  { side, connector, teacherConnector, teacher: wanted, against }: z.output<typeof schema>,
  asked: Asked,
): Promise<Record<string, Viewer>> {
  const needsTeacher = side === 'teacher' || side === 'both' || (side === 'diff' && against === undefined);
  if (!needsTeacher && connector === undefined) {
    const student = await studentOf(config, asked);
    if (against === undefined) return { student };
    try {
      return { student, other: await otherStudent(config, against, asked) };
    } catch (error) {
      student.dispose();
      throw error;
    }
  }
  const experiment = await load(config, asked);
  const { algorithm, stage, run, preprocessing, dispose } = built(experiment, asked, needsTeacher);
  try {
    const through = (name: string | undefined): Module | undefined =>
      name === undefined ? undefined : trainedConnector(algorithm, name, run && stageFolder(run, stage.name));
    const viewers: Record<string, Viewer> = {
      student: { network: algorithm.student, preprocessing, connector: through(connector), dispose },
    };
    if (!needsTeacher) return viewers;
    const others = Object.entries(algorithm.evaluated()).filter(([, one]) => one !== algorithm.student);
    const [name, teacher] = others.find(([one]) => wanted === undefined || one === wanted) ?? [];
    if (teacher === undefined && others.length > 0) {
      const known = others.map(([one]) => one);
      throw new RetortError(`features: teacher: there is no "${wanted}"; ${didYouMean(wanted!, known)}`, {
        code: 'unknown-name',
      });
    }
    if (teacher === undefined) {
      throw new RetortError(
        `features: side ${side}: ${experiment.name} has no teacher: ${algorithm.constructor.name} trains the student alone`,
        { code: 'unknown-name' },
      );
    }
    const view = viewOf(stage.config, name!);
    const seen = view === undefined || preprocessing === null ? preprocessing : { ...preprocessing, transforms: view };
    const other = { network: teacher, preprocessing: seen, connector: through(teacherConnector), dispose: () => {} };
    return side === 'teacher' ? { teacher: { ...other, dispose } } : { ...viewers, teacher: other };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** The student of a run, from its folder alone; of a config, as it begins or with a checkpoint. */
async function studentOf(config: ConfigSource, asked: Asked): Promise<Viewer> {
  const isRun = typeof config === 'string' && (isFolder(config) || config.endsWith('.safetensors'));
  if (!isRun || (asked.cfgOptions ?? []).length > 0) {
    const experiment = await load(config, asked);
    const { algorithm, preprocessing, dispose } = built(experiment, asked, false);
    return { network: algorithm.student, preprocessing, dispose };
  }
  const student = await loadRunStudent(config, asked);
  try {
    if (asked.checkpoint !== undefined) loadNetwork(asked.checkpoint, student.network);
  } catch (error) {
    student[Symbol.dispose]();
    throw error;
  }
  const dispose = (): void => student[Symbol.dispose]();
  return { network: student.network, preprocessing: student.info.preprocessing, dispose };
}

/** The student of another run, or of this one with other weights. */
function otherStudent(config: ConfigSource, against: string, asked: Asked): Promise<Viewer> {
  if (isFolder(against))
    return studentOf(against, { ...asked, checkpoint: undefined, stage: undefined, cfgOptions: [] });
  return studentOf(config, { ...asked, checkpoint: against });
}

interface Built {
  algorithm: Algorithm;
  stage: CheckedStage;
  run: string | undefined;
  preprocessing: Preprocessing | null;
  dispose: () => void;
}

/** The networks of a config, with the student's weights where there are some. */
function built(experiment: LoadedExperiment, asked: Asked, needsTeacher: boolean): Built {
  const { own: entries, name } = experiment;
  const { run, file, ...found } = studentAsked(experiment, asked);
  const [stage] = overridden([found.stage], { device: asked.device }, 'features') as [CheckedStage];
  const datasets = new Map<string, Dataset>();
  const bare = { ...stage, init: [] };
  const needed = stagesNeeded(bare, experiment, { own: entries, run });
  const parts = prepareStage(bare, needed, { own: entries, needsTeachers: needsTeacher, datasets });
  const dispose = (): void => {
    freeExperiment(parts, stage.config);
    for (const dataset of datasets.values()) (dataset as Partial<Disposable>)[Symbol.dispose]?.();
  };
  try {
    const { algorithm } = parts;
    if (file === undefined)
      asked.note?.(`${name}: the student has the weights that it begins with; a checkpoint gives it others`);
    else loadNetwork(file, studentOfFile(algorithm, file));
    algorithm.eval();
    const [first] = Object.entries(algorithm.students()).find(([, one]) => one === algorithm.student) ?? ['student'];
    const { preprocessing } = studentInfo({ stage, experiment: parts }, first, { stages: experiment.stages });
    return { algorithm, stage, run, preprocessing, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** What another network sees, where that differs from the student's images. */
function viewOf({ testData, valData }: CheckedConfig, network: string): Preprocessing['transforms'] | undefined {
  const { transforms = [], views = {} } = testData ?? valData;
  const view = views[network];
  return view === undefined ? undefined : ([...transforms, ...view] as Preprocessing['transforms']);
}

/** A connector of a distiller, with the weights that a run gave it. @throws {RetortError} for one that there is not, and without a run. */
function trainedConnector(algorithm: Algorithm, name: string, folder: string | undefined): Module {
  const all = Object.values(algorithm.distillersByName()).flatMap(({ connectors }) => [...connectors.namedChildren()]);
  const found = all.find(([one]) => one === name)?.[1];
  if (found === undefined) {
    throw new RetortError(
      `features: connector: there is no "${name}"; ${didYouMean(
        name,
        all.map(([one]) => one),
      )}`,
      { code: 'unknown-name' },
    );
  }
  const path = [...algorithm.namedModules()].find(([, module]) => module === found)![0];
  if (Object.keys(tidy(() => found.stateDict())).length === 0) return found;
  const file = folder === undefined ? undefined : join(folder, runFiles.training);
  if (file === undefined || !exists(file)) {
    throw new RetortError(`features: connector: the weights of "${name}" are not there`, {
      code: 'not-found',
      help: `they are in ${runFiles.training} of a run: name the folder of one`,
    });
  }
  tidy(() => {
    const prefix = `model.${path}.`;
    const own = Object.entries(loadTensors(file).tensors).filter(([key]) => key.startsWith(prefix));
    found.loadStateDict(Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value])));
  });
  return found;
}

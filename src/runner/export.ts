// A run's student as an ONNX model: as it is, in half precision or in 8 bits, calibrated on the run's own training images, and measured
// on its validation data.
import { dirname, join, resolve } from 'node:path';

import { retortCommand } from '../../tools/addon-file.mjs';
import type { CheckedConfig } from '../config/index.ts';
import { buildTransform, DataLoader, RandomSampler } from '../data/index.ts';
import type { Transform } from '../data/index.ts';
import {
  addPreprocessing,
  addSoftmax,
  DeploymentTable,
  exportOnnx,
  quantizeOnnx,
  sensitivity,
  toHalf,
  writeWebPage,
} from '../deploy/index.ts';
import type {
  CalibrationMethod,
  DeploymentRow,
  ExportCheck,
  ExportOnnxOptions,
  LabeledBatch,
  ModelInfo,
  GraphPreprocessing,
  LayerSensitivity,
} from '../deploy/index.ts';
import { requirePreprocessing, requireWebPlace, webSteps } from '../deploy/web-page.ts';
import { isPlain, shown } from '../check.ts';
import { RetortError } from '../errors.ts';
import { exists, isFolder } from '../files.ts';
import { onnxModelBytes, writeOnnxFile } from '../formats/index.ts';
import type { OnnxModel } from '../formats/index.ts';
import { loadNetwork } from '../models/index.ts';
import { hasOnnxruntime, openOnnx, requireOnnxruntime } from '../models/onnx/session.ts';
import type { Network } from '../nn/index.ts';
import type { TypedConfig } from '../registry/index.ts';
import { keep, ops, Tensor, tidy } from '../torch/index.ts';
import { freeExperiment } from './experiment.ts';
import type { Experiment } from './experiment.ts';
import { load } from './load.ts';
import type { ConfigSource, LoadOptions } from './load.ts';
import { prepareStage, stageFolder, studentAsked, withUserEntries } from './stages.ts';
import { loadRunStudent } from './student.ts';
import { studentInfo } from './student-info.ts';
import { stagesNeeded, studentAlone, studentOfFile } from './test.ts';

const precisions = ['float32', 'float16', 'int8'] as const;

/** What {@link exportRun} writes and measures. */
export interface ExportRunOptions extends LoadOptions {
  /** The file that is written. Default: none. */
  onnx?: string | undefined;
  /** The folder in which a page is written that runs the model in a browser. Default: none. */
  web?: string | undefined;
  /** In what precision: `'float32'`, `'float16'`, `'int8'`. Default `'float32'`. */
  precision?: (typeof precisions)[number] | undefined;
  /** Version of ONNX's operators. Default 17. */
  opset?: ExportOnnxOptions['opset'] | undefined;
  /** Take images of any height and width. Default false: those of the run's data. */
  dynamicSize?: boolean | undefined;
  /** Put the `Normalize` of the validation data into the model, whose input is then pixels, uint8 `(N, H, W, C)`. Default false. */
  preprocessing?: boolean | undefined;
  /** Give probabilities in place of scores. Default false. */
  softmax?: boolean | undefined;
  /** How ranges of activations are chosen, for int8. Default `'minmax'`. */
  method?: CalibrationMethod | undefined;
  /** Keep weights within 7 bits, for x86 processors without VNNI. Default true. */
  reduceRange?: boolean | undefined;
  /** So many training images are looked at for it. Default 512. */
  samples?: number | undefined;
  /** Leave the first convolution or product in float32, for int8. Default false. */
  keepFirst?: boolean | undefined;
  /** Leave the last one in float32, for int8. Default false. */
  keepLast?: boolean | undefined;
  /** Layers that stay in float32, by the names of their nodes. */
  exclude?: readonly string[] | undefined;
  /** Measure size, accuracy, agreement and time on the validation data, beside the higher precisions. Default false. */
  data?: boolean | undefined;
  /** Tell what 8 bits cost in each layer, on the calibration's images. Default false. */
  sensitivity?: boolean | undefined;
  /** The student's safetensors file. Default: that of the run. */
  checkpoint?: string | undefined;
  /** The stage whose student it is, in a config of several. Default: the last. */
  stage?: string | undefined;
}

/** What {@link exportRun} wrote and measured. */
export interface ExportRunResult {
  /** How the model in float32 compares with the network. */
  check: ExportCheck;
  /** The model that was written. */
  model: OnnxModel;
  /** Where `data` was asked for: float32 first, and float16 before int8. */
  rows: readonly DeploymentRow[];
  /** Where `sensitivity` was asked for: what changes most first. */
  sensitivity: readonly LayerSensitivity[];
}

/**
 * Writes the student of a run as an ONNX model, or a page for browsers around one, or both.
 * @throws {ConfigError} that lists all that is wrong with the config.
 * @throws {RetortError} when the checkpoint is not there or does not fit, an operator is not written, or (for int8) onnxruntime-node is missing.
 *
 * @example
 * ```ts
 * const { rows } = await exportRun('runs/kd', { onnx: 'student-int8.onnx', precision: 'int8', data: true });
 * console.table(rows);
 * ```
 */
export async function exportRun(config: ConfigSource, options: ExportRunOptions): Promise<ExportRunResult> {
  const { keepFirst = false, keepLast = false, dynamicSize = false } = options;
  const { onnx, web, precision = 'float32', opset, method = 'minmax', exclude = [], samples = 512 } = options;
  if (onnx === undefined && web === undefined) {
    throw new RetortError('export: expected onnx, the file to write, or web, the folder of a page, got neither');
  }
  const kept = Object.entries({ exclude: exclude.length > 0, keepFirst, keepLast }).find(([, asked]) => asked)?.[0];
  if (kept !== undefined && precision !== 'int8' && options.sensitivity !== true) {
    throw new RetortError(`export: ${kept}: expected int8 beside it, got ${precision}`, {
      help: 'all layers stay in float32, unless int8 is asked for',
    });
  }
  if (!precisions.includes(precision)) {
    throw new RetortError(`export: precision: expected ${precisions.join(', ')}, got ${shown(precision)}`);
  }
  if (!Number.isInteger(samples) || samples < 1) {
    throw new RetortError(`export: samples: expected an integer of at least 1, got ${samples}`);
  }
  // What cannot be written is no work of minutes.
  if (onnx !== undefined) requirePlace(onnx);
  if (web !== undefined) requireWebPlace(web);
  const wantsImages = precision === 'int8' || options.sensitivity === true;
  if (wantsImages || options.data === true) requireOnnxruntime();
  using subject = await subjectOf(config, options, wantsImages || options.data === true);
  const { info, network, data } = subject;
  const pixels = options.preprocessing === true ? preprocessingOf(subject) : undefined;
  const onPage = web === undefined ? undefined : preprocessingOfPage(info);
  const exported = tidy(() =>
    exportOnnx(network, ops.randn([1, ...subject.imageShape]), {
      classes: info.classes,
      dynamicSize,
      ...(opset === undefined ? {} : { opset }),
    }),
  );
  const { model: float } = exported;
  const calibration = wantsImages ? await imagesOf(calibrationLoader(data!, samples), samples) : [];
  try {
    const { reduceRange = true } = options;
    const quantizing = {
      calibration: calibration.map(({ inputs }) => inputs),
      method,
      exclude,
      keepFirst,
      keepLast,
      reduceRange,
    };
    const made =
      precision === 'int8' ? quantizeOnnx(float, quantizing).model : precision === 'float16' ? toHalf(float) : float;
    const costs = options.sensitivity === true ? sensitivity(float, { ...quantizing, data: calibration }) : [];
    const rows =
      options.data === true
        ? await measured(
            {
              float32: float,
              ...(precision === 'int8' && halfIfPossible(float)),
              ...(precision !== 'float32' && { [precision]: made }),
            },
            data!.valLoader,
          )
        : [];
    requireFinite(made, subject);
    const scored = options.softmax === true ? addSoftmax(made) : made;
    const model = pixels === undefined ? scored : addPreprocessing(scored, pixels);
    if (onnx !== undefined) writeOnnxFile(onnx, model);
    if (web !== undefined) {
      const page = addPreprocessing(addSoftmax(made), onPage!);
      writeWebPage(web, onnxModelBytes(page), info);
    }
    return { check: exported.check, model, rows, sensitivity: costs };
  } finally {
    for (const { inputs, labels } of calibration) {
      inputs.dispose();
      labels?.dispose();
    }
  }
}

/** What is exported. */
interface Subject extends Disposable {
  /** What messages call the run or config. */
  readonly name: string;
  readonly network: Network;
  readonly info: ModelInfo;
  /** `(C, H, W)` of an image. */
  readonly imageShape: readonly number[];
  /** Where images are needed. */
  readonly data?: Pick<Experiment, 'trainLoader' | 'valLoader'> & {
    readonly transforms: readonly Transform[];
    readonly seed: number;
  };
}

/** The student of a run as its folder describes it, where no images are needed; else all that the config names is built. */
async function subjectOf(config: ConfigSource, options: ExportRunOptions, wantsData: boolean): Promise<Subject> {
  const experiment = await load(config, options);
  const { stage, run, file } = studentAsked(experiment, options);
  const { name, own } = experiment;
  if (file === undefined) {
    throw new RetortError(`${name}: expected the folder of a run, or a checkpoint beside the config`, {
      help: retortCommand('export runs/NAME --onnx FILE'),
    });
  }
  if (!exists(file)) {
    throw new RetortError(`${name}: there are no weights ${file}`, {
      code: 'not-found',
      help:
        options.checkpoint === undefined
          ? 'a run that was stopped before the first checkpoint of a stage has none yet: go on with it, or name another stage'
          : 'correct the path of the checkpoint',
    });
  }
  const changed = experiment.asked.cfgOptions.length - (experiment.run?.record.cfgOptions.length ?? 0) > 0;
  const asTrained = run !== undefined && resolve(dirname(file)) === resolve(stageFolder(run, stage.name)) && !changed;
  if (!wantsData && asTrained && exists(join(dirname(file), 'model.json'))) {
    const student = await loadRunStudent(file, options);
    const { network, info } = student;
    const { channels, size } = info.preprocessing ?? {};
    if (channels !== undefined && size) {
      return {
        name,
        network,
        info,
        imageShape: [channels, ...size],
        [Symbol.dispose]: () => student[Symbol.dispose](),
      };
    }
    student[Symbol.dispose]();
  }
  // A network is written from the CPU, wherever it was trained.
  const alone = { ...stage, config: { ...studentAlone(stage.config, own), device: 'cpu' as const }, init: [] };
  const parts = prepareStage(alone, stagesNeeded(alone, experiment, { own, run }), { own });
  const { algorithm, trainLoader, valLoader, testLoader } = parts;
  // As it will be used: the size of images in training may be another.
  const imageShape = testLoader.imageShape ?? parts.imageShape;
  const network = studentOfFile(algorithm, file);
  loadNetwork(file, network);
  const student = Object.entries(algorithm.students()).find(([, one]) => one === network)?.[0] ?? 'student';
  const transforms = transformsOf(withUserEntries(stage.config, own).valData);
  return {
    ...{ name, imageShape, network },
    info: studentInfo({ stage, experiment: parts }, student, { stages: experiment.stages }),
    data: { trainLoader, valLoader, transforms, seed: stage.config.seed },
    [Symbol.dispose]: () => freeExperiment(parts, alone.config),
  };
}

/** Training images as those are that are evaluated, from all over the data: those of a class often lie side by side. */
function calibrationLoader(
  { trainLoader: { dataset }, transforms, seed }: NonNullable<Subject['data']>,
  samples: number,
): DataLoader {
  return new DataLoader(dataset, {
    batchSize: Math.min(32, samples),
    transforms,
    sampler: new RandomSampler({ seed }),
  });
}

/** @throws {RetortError} for a file that cannot be written where it is to be. */
function requirePlace(file: string): void {
  if (typeof file !== 'string' || file === '') {
    throw new RetortError(`export: onnx: expected the path of a file, got ${shown(file)}`);
  }
  const folder = dirname(file);
  if (isFolder(file) || !isFolder(folder)) {
    const what = isFolder(file) ? 'it is a folder' : `${folder} is ${exists(folder) ? 'not a folder' : 'not there'}`;
    const help = isFolder(file) ? 'name a file inside it' : `make it first (mkdir -p ${folder}) or correct the path`;
    throw new RetortError(`export: onnx: cannot write ${file}: ${what}`, { code: 'not-found', help });
  }
}

type DataPart = CheckedConfig['valData'];

function transformsOf({ transforms = [], studentTransforms = [] }: DataPart): Transform[] {
  return [...transforms, ...studentTransforms].map((one, i) =>
    isPlain(one) ? buildTransform(one as TypedConfig, `valData.transforms.${i}`) : (one as unknown as Transform),
  );
}

/** What the last transform of the test data does, if it normalizes. @throws {RetortError} if it does something else. */
function preprocessingOf({ name, info: { preprocessing } }: Subject): GraphPreprocessing {
  const last = preprocessing?.transforms.at(-1);
  if (last?.type === 'Normalize') {
    const { mean, std, reverseChannels } = last as { mean?: number[]; std?: number[]; reverseChannels?: boolean };
    return { mean: mean ?? [], std: std ?? [], channelOrder: reverseChannels === true ? 'BGR' : 'RGB' };
  }
  throw new RetortError(
    `${name}: preprocessing: expected Normalize as the last transform of the test data, which is valData without testData`,
    {
      code: 'unsupported',
      help: 'leave --preprocessing out, or normalize in the transforms of the data',
    },
  );
}

/** What the page does to pixels inside the model: normalization, or nothing. */
function preprocessingOfPage({ preprocessing }: ModelInfo): GraphPreprocessing {
  requirePreprocessing(preprocessing);
  webSteps(preprocessing); // says what the page cannot do
  const { channels, colorOrder, mean, std } = preprocessing;
  const channelOrder = colorOrder === 'bgr' ? 'BGR' : 'RGB';
  if (mean !== null && std !== null) return { mean, std, channelOrder };
  const each = (value: number): number[] => Array.from({ length: channels }, () => value);
  return { mean: each(0), std: each(1), scale: 1, channelOrder };
}

/** In float16, to compare with; nothing where a weight is too large for it. */
function halfIfPossible(model: OnnxModel): { float16?: OnnxModel } {
  try {
    return { float16: toHalf(model) };
  } catch (error) {
    if (error instanceof RetortError && error.code === 'not-finite') return {};
    throw error;
  }
}

/** @throws {RetortError} `not-finite` for a model whose scores are no numbers in its precision; nothing is checked without onnxruntime. */
function requireFinite(model: OnnxModel, { imageShape, name }: Subject): void {
  if (!hasOnnxruntime()) return;
  using session = openOnnx(onnxModelBytes(model));
  const finite = tidy(() => {
    const images = ops.randn([1, ...imageShape]);
    const [scores] = Object.values(session.run([images], [session.outputs[0]!.name]));
    return scores!.isfinite().all().item() === 1;
  });
  if (finite) return;
  throw new RetortError(
    `${name}: export: the model gives scores that are not finite: values inside it are too large for its precision`,
    {
      code: 'not-finite',
      help: 'export it in float32, or in int8 with the layers that overflow left out (--exclude)',
    },
  );
}

/** So many images of a loader, or as many as there are; the caller's to dispose. */
async function imagesOf(loader: DataLoader, count: number): Promise<LabeledBatch[]> {
  const batches: LabeledBatch[] = [];
  let seen = 0;
  try {
    for (let i = 0; i < loader.length && seen < count; i++) {
      await loader.prepare(0, i);
      const batch = tidy(() => keep(labeled(loader, i)));
      batches.push(batch);
      seen += batch.inputs.shape[0]!;
    }
  } finally {
    loader[Symbol.dispose]();
  }
  return batches;
}

function labeled(loader: DataLoader, i: number): LabeledBatch {
  const { inputs, targets } = loader.load(0, i);
  if (!(inputs instanceof Tensor)) {
    throw new RetortError('export: expected data whose inputs are images, got a record', { code: 'unsupported' });
  }
  return { inputs, labels: targets.labels };
}

async function measured(models: Record<string, OnnxModel>, loader: DataLoader): Promise<DeploymentRow[]> {
  using table = new DeploymentTable(models);
  try {
    for (let i = 0; i < loader.length; i++) {
      await loader.prepare(0, i);
      tidy(() => table.add(labeled(loader, i)));
    }
  } finally {
    loader[Symbol.dispose]();
  }
  return table.rows();
}

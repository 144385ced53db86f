// A run's student as an ONNX model: as it is, in half precision or in 8 bits, calibrated on the run's own training images, and measured
// on its validation data.
import { retortCommand } from '../../tools/addon-file.mjs';
import type { CheckedConfig } from '../config/index.ts';
import { buildTransform, DataLoader } from '../data/index.ts';
import type { Transform } from '../data/index.ts';
import {
  addPreprocessing,
  addSoftmax,
  deploymentTable,
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
import { studentPath } from '../engine/index.ts';
import { isPlain } from '../check.ts';
import { RetortError } from '../errors.ts';
import { onnxModelBytes, writeOnnxFile } from '../formats/index.ts';
import type { OnnxModel } from '../formats/index.ts';
import { loadNetwork } from '../models/index.ts';
import type { TypedConfig } from '../registry/index.ts';
import { keep, ops, Tensor, tidy } from '../torch/index.ts';
import { load } from './load.ts';
import type { ConfigSource, LoadOptions } from './load.ts';
import { prepareStage, stageFolder, stageNamed, withUserEntries } from './stages.ts';
import { studentInfo } from './student-info.ts';
import { studentAlone } from './test.ts';

/** What {@link exportRun} writes and measures. */
export interface ExportRunOptions extends LoadOptions {
  /** The file that is written. Default: none. */
  onnx?: string | undefined;
  /** The folder in which a page is written that runs the model in a browser. Default: none. */
  web?: string | undefined;
  /** In what precision: `'float32'`, `'float16'`, `'int8'`. Default `'float32'`. */
  precision?: 'float32' | 'float16' | 'int8' | undefined;
  /** Version of ONNX's operators. Default 17. */
  opset?: ExportOnnxOptions['opset'] | undefined;
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
  const { onnx, web, precision = 'float32', opset, method = 'minmax', exclude = [], samples = 512 } = options;
  if (onnx === undefined && web === undefined) {
    throw new RetortError('export: expected onnx, the file to write, or web, the folder of a page, got neither');
  }
  if (exclude.length > 0 && precision !== 'int8' && options.sensitivity !== true) {
    throw new RetortError(`export: exclude: expected int8 beside it, got ${precision}`, {
      help: 'all layers stay in float32, unless int8 is asked for',
    });
  }
  const experiment = await load(config, options);
  const stage = options.stage === undefined ? experiment.stages.at(-1)! : stageNamed(experiment, options.stage);
  const { name, own } = experiment;
  const run = experiment.run?.folder;
  const file = options.checkpoint ?? (run === undefined ? undefined : studentPath(stageFolder(run, stage.name)));
  if (file === undefined) {
    throw new RetortError(`${name}: expected the folder of a run, or a checkpoint beside the config`, {
      help: retortCommand('export runs/NAME --onnx FILE'),
    });
  }
  const alone = { ...stage, config: studentAlone(stage.config, own), init: [] };
  const parts = prepareStage(alone, new Map(), { own });
  const { algorithm, trainLoader, valLoader, imageShape } = parts;
  const { student } = algorithm;
  loadNetwork(file, student);
  const shown = withUserEntries(stage.config, own).valData;
  const transforms = transformsOf(shown);
  const pixels = options.preprocessing === true ? preprocessingOf(shown, name) : undefined;
  const exported = tidy(() =>
    exportOnnx(student, ops.randn([1, ...imageShape]), {
      classes: valLoader.dataset.classes,
      ...(opset === undefined ? {} : { opset }),
    }),
  );
  const { model: float } = exported;
  const wantsImages = precision === 'int8' || options.sensitivity === true;
  const calibration = wantsImages
    ? await imagesOf(new DataLoader(trainLoader.dataset, { batchSize: 32, transforms }), samples)
    : [];
  try {
    const { reduceRange = true } = options;
    const quantizing = { calibration: calibration.map(({ inputs }) => inputs), method, exclude, reduceRange };
    const made =
      precision === 'int8' ? quantizeOnnx(float, quantizing).model : precision === 'float16' ? toHalf(float) : float;
    const costs = options.sensitivity === true ? sensitivity(float, { ...quantizing, data: calibration }) : [];
    const compared = {
      float32: float,
      ...(precision === 'int8' && { float16: toHalf(float) }),
      ...(precision !== 'float32' && { [precision]: made }),
    };
    const rows = options.data === true ? await measured(compared, valLoader) : [];
    const scored = options.softmax === true ? addSoftmax(made) : made;
    const model = pixels === undefined ? scored : addPreprocessing(scored, pixels);
    if (onnx !== undefined) writeOnnxFile(onnx, model);
    if (web !== undefined) {
      const info = studentInfo({ stage, experiment: parts }, 'student', { stages: experiment.stages });
      const page = addPreprocessing(addSoftmax(made), preprocessingOfPage(info));
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

type DataPart = CheckedConfig['valData'];

function transformsOf({ transforms = [], studentTransforms = [] }: DataPart): Transform[] {
  return [...transforms, ...studentTransforms].map((one, i) =>
    isPlain(one) ? buildTransform(one as TypedConfig, `valData.transforms.${i}`) : (one as unknown as Transform),
  );
}

/** What the last transform of the validation data does, if it normalizes. @throws {RetortError} if it does something else. */
function preprocessingOf({ transforms = [], studentTransforms = [] }: DataPart, name: string): GraphPreprocessing {
  const last: unknown = [...transforms, ...studentTransforms].at(-1);
  if (isPlain(last) && last['type'] === 'Normalize') {
    const { mean, std, reverseChannels } = last as { mean: number[]; std: number[]; reverseChannels?: boolean };
    return { mean, std, channelOrder: reverseChannels === true ? 'BGR' : 'RGB' };
  }
  throw new RetortError(`${name}: preprocessing: expected Normalize as the last transform of valData`, {
    code: 'unsupported',
    help: 'leave --preprocessing out, or normalize in the transforms of the data',
  });
}

/** What the page does to pixels inside the model: normalization, or nothing. */
function preprocessingOfPage({ preprocessing }: ModelInfo): GraphPreprocessing {
  const { channels, colorOrder, mean, std } = preprocessing ?? {
    channels: 3,
    colorOrder: 'rgb',
    mean: null,
    std: null,
  };
  const channelOrder = colorOrder === 'bgr' ? 'BGR' : 'RGB';
  if (mean !== null && std !== null) return { mean, std, channelOrder };
  const each = (value: number): number[] => Array.from({ length: channels }, () => value);
  return { mean: each(0), std: each(1), scale: 1, channelOrder };
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
  const images = await imagesOf(loader, Infinity);
  try {
    return deploymentTable(models, images);
  } finally {
    for (const { inputs, labels } of images) {
      inputs.dispose();
      labels?.dispose();
    }
  }
}

// Pictures of feature maps while training: of the same images of the validation data each time, between epochs, without gradients.
import { join, resolve } from 'node:path';

import { z } from 'zod';

import type { DataLoader } from '../../data/index.ts';
import { RetortError } from '../../errors.ts';
import { drawFeatureMap } from '../../features/index.ts';
import type { FeatureMap, Picture } from '../../features/index.ts';
import { arrangementMistake, drawOptions } from '../../features/draw.ts';
import { imageOf } from '../../features/images.ts';
import { comfortable } from '../../features/numbers.ts';
import { MappedRecords, ofAlgorithm, recordOptions } from '../../features/recording.ts';
import { isFolder, listFolder, makeFolder, removeFile } from '../../files.ts';
import { serializePng, writeFileAtomicSync } from '../../formats/index.ts';
import type { Inputs } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { OptionsFrom } from '../../registry/index.ts';
import { getRandomState, keep, noGrad, setRandomState, Tensor, tidy } from '../../torch/index.ts';
import { evaluating } from '../evaluate.ts';
import type { Hook, Run } from './hook.ts';

const own = {
  ...recordOptions,
  ...drawOptions,
  /** Draw. Default true. */
  enabled: z.boolean().default(true),
  /** Which samples of the validation data, by number. Default 0. */
  dataIdx: z.union([z.int().min(0), z.array(z.int().min(0)).min(1).readonly()]).default(0),
  /** Epochs between two pictures; there is one before training too. Default 1. */
  interval: z.int().positive().default(1),
  /** Draw over the image. Default true. */
  isOverlaid: z.boolean().default(true),
  /** Where pictures go; in the run's folder, unless it is absolute. Default `vis`. */
  outDir: z.string().min(1).default('vis'),
};
/** Options of {@link VisualizationHook}; those of the picture are `DrawOptions`. */
export interface VisualizationHookOptions extends OptionsFrom<typeof own> {}

/** The schema of {@link VisualizationHookOptions}. */
export const visualizationHookOptions = z.strictObject(own).check(({ value, issues }) => {
  const mistake = arrangementMistake(value);
  if (mistake !== undefined)
    issues.push({ code: 'custom', path: ['arrangement'], input: value.arrangement, message: mistake });
});

/** What a sample looks like, and its maps. */
interface Seen {
  image: Picture | undefined;
  maps: Map<string, FeatureMap[]>;
}

/**
 * Draws feature maps of fixed samples of the validation data, before training and after every `interval` epochs, as
 * `vis/NAME/sample-0-epoch-003.png` in the run's folder. Networks are run in evaluation mode and without gradients; modes and random
 * numbers are put back. After MMRazor's `RazorVisualizationHook`.
 *
 * @example
 * ```ts
 * const hook = new VisualizationHook({
 *   recorders: { feat: { type: 'ModuleOutputs', source: 'student.backbone.layer3' } },
 *   mappings: { feat: { recorder: 'feat' } },
 *   dataIdx: [0, 7],
 *   channelReduction: 'pixel_wise_max',
 * });
 * ```
 */
export class VisualizationHook implements Hook {
  readonly name = 'VisualizationHook';
  readonly #options: z.output<typeof visualizationHookOptions>;
  readonly #records: MappedRecords;

  /** @throws {RetortError} for options that the schema refuses, and mappings of recorders that there are not. */
  constructor(options: VisualizationHookOptions) {
    this.#options = checkOptions(visualizationHookOptions, options, 'VisualizationHook');
    const { recorders, mappings } = this.#options;
    this.#records = new MappedRecords({ recorders: ofAlgorithm(recorders), mappings }, 'VisualizationHook');
  }

  /**
   * Finds what is recorded, so that a name that there is not is an error before training. What is of a network whose weights are not here
   * (a teacher cache stands in for it) would be pictures of nothing: it is left out, and that is said.
   */
  beforeRun({ algorithm, progress }: Run): void {
    if (!this.#options.enabled) return;
    const absent = algorithm.absent?.() ?? {};
    const { leftOut } = this.#records.initialize(algorithm, Object.values(absent));
    if (leftOut.length === 0) return;
    const names = Object.keys(absent).join(', ');
    progress.line(
      `note: VisualizationHook: ${leftOut.join(', ')} ${leftOut.length === 1 ? 'is' : 'are'} not drawn: the weights of ${names} are not here`,
    );
  }

  /** @throws {RetortError} before training, for what cannot be drawn; later that is said, and training goes on. */
  async betweenEpochs(run: Run, loader: DataLoader<Inputs> | undefined): Promise<void> {
    const { enabled, interval, dataIdx, outDir } = this.#options;
    const { epoch } = run.position;
    if (!enabled || run.workDir === undefined || epoch % interval !== 0 || this.#records.empty) return;
    if (loader === undefined) {
      throw new RetortError('VisualizationHook: there is no validation data to draw', {
        help: 'give the trainer a valLoader, or leave the hook out',
      });
    }
    const folder = resolve(run.workDir, outDir);
    try {
      if (epoch === 0) this.#clear(folder);
      for (const sample of [dataIdx].flat()) await this.#draw(sample, { run, loader, folder });
    } catch (error) {
      if (epoch === 0 || !(error instanceof RetortError)) throw error;
      run.progress.line(`note: no pictures of epoch ${epoch}: ${error.message.split('\n')[0]}`);
    }
  }

  async #draw(
    sample: number,
    { run, loader, folder }: { run: Run; loader: DataLoader<Inputs>; folder: string },
  ): Promise<void> {
    const { isOverlaid, resizeShape } = this.#options;
    const { length } = loader.dataset;
    const one = loader.of([sample]);
    await one.dataset.open?.();
    if (sample >= one.dataset.length) {
      throw new RetortError(
        `VisualizationHook: dataIdx: expected a sample below ${length}, as the validation data has, got ${sample}`,
      );
    }
    await one.prepare(0, 0);
    const random = tidy(() => keep(getRandomState()));
    const restore = evaluating([run.algorithm]);
    let seen: Seen;
    try {
      seen = noGrad(() => tidy(() => this.#look(run, one)));
    } finally {
      restore();
      setRandomState(random);
      random.dispose();
      one[Symbol.dispose]();
    }
    for (const [name, maps] of seen.maps) {
      for (const [i, map] of maps.entries()) {
        const image = isOverlaid ? seen.image : undefined;
        const size = resizeShape ?? comfortable(image ?? map, this.#options.channelReduction === null);
        const picture = drawFeatureMap(map, { ...this.#drawing(), resizeShape: size, image });
        const path = join(folder, folderOf(maps.length === 1 ? name : `${name}-${i}`));
        makeFolder(path);
        const file = `sample-${sample}-epoch-${String(run.position.epoch).padStart(3, '0')}.png`;
        writeFileAtomicSync(join(path, file), serializePng({ ...picture, channels: 3 }));
      }
    }
  }

  /** Within a scope and without gradients. */
  #look({ algorithm }: Run, loader: DataLoader<Inputs>): Seen {
    const { inputs, views, meta } = loader.load(0, 0);
    const images = inputs instanceof Tensor ? inputs : inputs['images'];
    if (images?.ndim !== 4) {
      throw new RetortError('VisualizationHook: expected samples that are images (C, H, W)', { code: 'unsupported' });
    }
    const [, , height, width] = images.shape as [number, number, number, number];
    const paths = new Map([...algorithm.namedModules()].map(([path, module]) => [module, path]));
    const networks = Object.entries(algorithm.evaluated());
    const places = networks.map(([, network]) => paths.get(network) ?? '');
    const forward = (): void => {
      for (const [i, [name, network]] of networks.entries()) {
        if (this.#records.needs(places[i]!, places)) network.forward(views?.[name] ?? inputs);
      }
    };
    const [rows, columns] = (meta[0]?.size ?? []).slice(-2);
    const padded = rows !== undefined && columns !== undefined && rows <= height && columns <= width;
    const size = padded ? ([rows, columns] as const) : undefined;
    return {
      maps: this.#records.take(forward, [height, width]),
      image: imageOf(images, loader.transforms, size),
    };
  }

  #drawing(): Omit<Parameters<typeof drawFeatureMap>[1] & object, 'image'> {
    const { channelReduction, topk, arrangement, alpha, useNorm, range, scaleBar } = this.#options;
    return { channelReduction, topk, arrangement, alpha, useNorm, range, scaleBar };
  }

  /** Removes what a run of before has drawn here: pictures of its later epochs would be taken for those of this one. */
  #clear(folder: string): void {
    if (!isFolder(folder)) return;
    for (const { name } of listFolder(folder).filter((one) => one.isDirectory())) {
      const drawn = listFolder(join(folder, name)).filter((one) => /^sample-\d+-epoch-\d+\.png$/.test(one.name));
      for (const file of drawn) removeFile(join(folder, name, file.name));
    }
  }
}

/** The name of a mapping as that of a folder. */
const folderOf = (name: string): string => name.replaceAll(/[^\w.-]/g, '_').replace(/^\.+/, '_');

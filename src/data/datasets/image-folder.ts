// Images in files, of any size: decoded when a batch of them is due.
import { join } from 'node:path';

import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import type { Dataset, LeftOut, Pixels } from '../dataset.ts';
import { checkOptions, entry, pathTo } from '../../registry/index.ts';
import { decodeImage } from '../decode-image.ts';
import type { DecodeOptions } from '../decode-image.ts';
import { listByFile, listByFolders } from './image-list.ts';
import type { ImageList } from './image-list.ts';

/** Options of {@link ImageFolder}. */
export interface ImageFolderOptions extends DecodeOptions {
  /** The folder; without `annFile`, each of its sub-folders is a class, in the order of their names. */
  root: string;
  /** A text file of lines `path label`, paths relative to `root`. */
  annFile?: string;
  /**
   * Names of the classes in order. With `annFile`: what its numbers mean; default: as many as there are labels, called by number.
   * Without: the sub-folders to take; default all.
   */
  classes?: readonly string[];
}

export const decodeSchema = {
  channels: z.union([z.literal(1), z.literal(3)]).exactOptional(),
  maxPixels: z.number().positive().exactOptional(),
  orient: z.boolean().exactOptional(),
};

/**
 * Use it with a transform that gives images one size (`RandomResizedCrop`, `ResizeEdge` and `CenterCrop`, `Resize`), and
 * `await loader.prepare(epoch, index)` before `loader.load(epoch, index)`.
 */
export class ImageFolder implements Dataset {
  static readonly schema: z.ZodType = z.strictObject({
    root: pathTo('folder'),
    annFile: pathTo('file').exactOptional(),
    classes: z.array(z.string()).readonly().exactOptional(),
    ...decodeSchema,
  });
  readonly classes: readonly string[];
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly root: string;
  readonly leftOut: readonly LeftOut[];
  readonly #list: ImageList;
  readonly #decode: DecodeOptions;

  /** @throws {RetortError} when the folder or file cannot be read, or holds no images. */
  constructor(options: ImageFolderOptions) {
    checkOptions(ImageFolder.schema, options, new.target.name);
    const { root, annFile, classes, ...decode } = options;
    const twice = classes?.find((name, i) => classes.indexOf(name) !== i);
    if (twice !== undefined) throw new RetortError(`ImageFolder: classes: ${JSON.stringify(twice)} is listed twice`);
    if (classes?.length === 0)
      throw new RetortError('ImageFolder: classes: expected at least one name, got []', {
        help: 'leave it out, or name some',
      });
    this.root = root;
    this.#list = annFile === undefined ? listByFolders(root, classes) : listByFile(annFile, classes);
    this.leftOut = this.#list.leftOut;
    this.#decode = decode;
    this.classes = this.#list.classes;
    this.shape = [decode.channels ?? 3, 0, 0];
  }

  get length(): number {
    return this.#list.files.length;
  }

  label(index: number): number {
    return this.#list.labels[index]!;
  }

  /** The path of a sample's file. */
  file(index: number): string {
    return join(this.root, this.#list.files[index]!);
  }

  /** @throws {RetortError} that names the file, when it is not there, damaged or too large. */
  decode(index: number): Promise<Pixels> {
    return decodeImage(this.file(index), this.#decode);
  }
}

export const imageFolderEntry = entry(ImageFolder, {
  summary: 'Any folder of images: a sub-folder a class, or a list of paths and labels.',
});

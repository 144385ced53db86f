// ImageNet (ILSVRC 2012): 1,281,167 training and 50,000 validation images of a thousand classes.
// Russakovsky et al.: ImageNet Large Scale Visual Recognition Challenge, 2015, arXiv 1409.0575.
import { join, resolve } from 'node:path';

import { z } from 'zod';

import { RetortError } from '../../errors.ts';
import { exists } from '../../files.ts';
import { numberedClasses } from '../classes.ts';
import { checkOptions, entry, pathTo } from '../../registry/index.ts';
import type { DecodeOptions } from '../decode-image.ts';
import { checkSplit, dataFolders } from './data-folders.ts';
import { decodeSchema, ImageFolder } from './image-folder.ts';
import type { ImageFolderOptions } from './image-folder.ts';
import { subfolders } from './image-list.ts';

/** Options of {@link ImageNet}. */
export interface ImageNetOptions extends DecodeOptions {
  split: 'train' | 'val';
  /** The folder with `train/` and `val/`. Default: `$RETORT_DATA/imagenet`, then `./data/imagenet`. */
  root?: string;
  /**
   * A text file of lines `path label`, its path relative to `root`; its paths are relative to the split's folder. Default: the split's
   * sub-folders are the classes; where it has none, `meta/train.txt` or `meta/val.txt`.
   */
  annFile?: string;
  /** How many classes there must be. Default 1000. */
  numClasses?: number;
}

/**
 * ImageNet (ILSVRC 2012): 1.28 million training and 50,000 validation images of 1000 classes, in files of any size. Russakovsky et al.
 * 2015, arXiv 1409.0575.
 *
 * @example
 * ```ts
 * const dataset = new ImageNet({ split: 'val', root: 'data/imagenet' });
 * ```
 */
export class ImageNet extends ImageFolder {
  static override readonly schema = z.strictObject({
    split: z.enum(['train', 'val']),
    root: pathTo('folder').exactOptional(),
    annFile: z.string().exactOptional(),
    numClasses: z.number().int().positive().exactOptional(),
    ...decodeSchema,
  });
  /** @throws {RetortError} when the folder is not there, or has another number of classes. */
  constructor(options: ImageNetOptions) {
    checkOptions(ImageNet.schema, options, new.target.name);
    const { split, root, annFile, numClasses = 1000, ...decode } = options;
    checkSplit('ImageNet', { split }, ['train', 'val']);
    const folder = findRoot(root === undefined ? dataFolders('imagenet') : [root], split);
    super({ root: join(folder, split), ...labelsOf(folder, { split, annFile, numClasses }), ...decode });
    if (this.classes.length !== numClasses) {
      throw new RetortError(`ImageNet: expected ${numClasses} classes in ${this.root}, got ${this.classes.length}`, {
        code: 'mismatch',
        help: `a part of ImageNet is fine: set numClasses to ${this.classes.length}`,
      });
    }
  }
}

function findRoot(folders: readonly string[], split: string): string {
  const found = folders.find((folder) => exists(join(folder, split)));
  if (found !== undefined) return found;
  throw new RetortError(`cannot find ImageNet: looked for the folder ${split} in ${folders.join(', ')}`, {
    code: 'not-found',
    help:
      'get ILSVRC 2012 from https://image-net.org/download.php (it asks for an account) and unpack it into ' +
      'data/imagenet/train/<class>/ and data/imagenet/val/<class>/, or val/ with meta/val.txt',
  });
}

function labelsOf(
  folder: string,
  { split, annFile, numClasses }: { split: string; annFile: string | undefined; numClasses: number },
): Pick<ImageFolderOptions, 'annFile' | 'classes'> {
  const usual = join(folder, 'meta', `${split}.txt`);
  if (annFile === undefined && (subfolders(join(folder, split)).length > 0 || !exists(usual))) return {};
  // The classes' names are those of the folders of the other split, where it has them.
  const train = join(folder, 'train');
  const names = exists(train) ? subfolders(train) : [];
  const classes = names.length === numClasses ? names : numberedClasses(numClasses);
  return { annFile: annFile === undefined ? usual : resolve(folder, annFile), classes };
}

export const imageNetEntry = entry(ImageNet, {
  summary: 'ILSVRC 2012, a thousand classes.',
  paper: 'Russakovsky et al. 2015, arXiv 1409.0575',
});

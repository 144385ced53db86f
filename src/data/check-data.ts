// Looks at data before training does: at how files begin or at whole images (a damaged file that is found in the last batch of an
// epoch has cost that epoch), and at what networks are given for evaluation, which is first due when an epoch is over.
import { RetortError } from '../errors.ts';
import { readBeginning } from '../files.ts';
import type { Dataset } from './dataset.ts';
import { beginningBytes, kindOf } from './decode-image.ts';
import { showLeftOut } from './datasets/image-list.ts';
import type { DataLoader } from './loader.ts';

/** Options of {@link checkFiles}. */
export interface CheckFilesOptions {
  /** Decode whole images, which finds damage anywhere. Default false: look at how files begin. */
  decode?: boolean;
  /** Look at so many files at most, evenly over the set. Default all. */
  limit?: number;
  /** Files under way at once. Default 16. */
  concurrency?: number;
}

/** What {@link checkFiles} found. */
export interface CheckedFiles {
  /** How many files were looked at. */
  checked: number;
  /** What is wrong, one message a file, in the order of the samples. */
  mistakes: readonly string[];
}

/** Nothing is checked of a data set that is not in files. Throws nothing for files that are damaged or not there: it says so. */
export async function checkFiles(dataset: Dataset, options: CheckFilesOptions = {}): Promise<CheckedFiles> {
  const { decode = false, limit = Infinity, concurrency = 16 } = options;
  if (dataset.file === undefined || dataset.decode === undefined) return { checked: 0, mistakes: [] };
  const checked = Math.min(limit, dataset.length);
  const found: (string | undefined)[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < checked; i = next++) {
      const index = Math.floor((i * dataset.length) / checked);
      try {
        await (decode ? dataset.decode!(index) : lookAt(dataset.file!(index)));
      } catch (error) {
        if (!(error instanceof RetortError)) throw error;
        found[i] = error.message.split('\n')[0];
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, checked) }, work));
  return { checked, mistakes: found.filter((one) => one !== undefined) };
}

async function lookAt(file: string): Promise<void> {
  kindOf(file, await readBeginning(file, beginningBytes));
}

/** A note on what the folder of a data set holds and was not taken; none where that is nothing. */
export function leftOutNote(dataset: Dataset, name: string): string[] {
  const shown = showLeftOut(dataset.leftOut ?? []);
  return shown === '' ? [] : [`${name}: ${dataset.length} images taken, left out: ${shown}`];
}

/**
 * What is wrong with the images of a loader beside those of the training data: another number of channels, or bytes where networks
 * are trained on normalized numbers. One message each, with what to do.
 */
export async function checkImages(loader: DataLoader, training: DataLoader, name: string): Promise<string[]> {
  const trained = await training.imageKind();
  let own: typeof trained;
  try {
    own = await loader.imageKind();
  } catch (error) {
    if (error instanceof RetortError) return [`${name}: ${error.message}`];
    throw error;
  }
  const mistakes: string[] = [];
  if (own === undefined || trained === undefined) return mistakes;
  if (own.channels !== trained.channels) {
    mistakes.push(`${name} has images of ${own.channels} channels, trainData of ${trained.channels}`);
  }
  if (own.dtype !== trained.dtype) {
    const help = "end its transforms with the { type: 'Normalize', mean, std } of trainData";
    mistakes.push(`${name} gives images of ${own.dtype}, trainData of ${trained.dtype}\n  help: ${help}`);
  }
  return mistakes;
}

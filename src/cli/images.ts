// Images as commands take them: files, and folders of them.
import { extname, join } from 'node:path';

import { imageExtensions } from '../data/index.ts';
import { RetortError } from '../errors.ts';
import { isFolder, listFolder } from '../files.ts';

/** An image by itself; the images of a folder, by name. @throws {RetortError} for a folder without any. */
export function imagesIn(path: string): string[] {
  if (!isFolder(path)) return [path];
  const found = listFolder(path)
    .filter((entry) => entry.isFile() && imageExtensions.includes(extname(entry.name).toLowerCase()))
    .map(({ name }) => join(path, name))
    .toSorted();
  if (found.length > 0) return found;
  throw new RetortError(`${path}: there are no images in this folder`, {
    code: 'not-found',
    help: `it takes files that end in ${imageExtensions.join(', ')}; name files one by one`,
  });
}

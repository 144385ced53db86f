// The page as Vite has built it ahead: dist/dashboard beside the compiled sources, read once.
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { RetortError } from '../errors.ts';
import { isFolder, listFolder, readBytes } from '../files.ts';

interface PageFile {
  bytes: Buffer;
  /** Its ending, such as `js`. */
  type: string;
}

let found: ReadonlyMap<string, PageFile> | undefined;

/** The files of the page by name. @throws {RetortError} where they were not built. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  if (found !== undefined) return found;
  // From src/ (tests) and from dist/ alike.
  const folder = fileURLToPath(new URL('../../dist/dashboard/page', import.meta.url));
  if (!isFolder(folder)) {
    throw new RetortError('the page of the dashboard is not there', {
      code: 'invalid-state',
      help: 'npm run build makes it; an installed package has it',
    });
  }
  const names = listFolder(folder).filter((entry) => entry.isFile());
  found = new Map(
    names.map(({ name }) => [name, { bytes: readBytes(`${folder}/${name}`), type: extname(name).slice(1) }]),
  );
  return found;
}

// The version of this package.
import { fileURLToPath } from 'node:url';

import { readText } from '../files.ts';

export const { version } = JSON.parse(readText(fileURLToPath(new URL('../../package.json', import.meta.url)))) as {
  version: string;
};

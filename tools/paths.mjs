// Where things are: every tool takes its folders from here, so that none depends on the current directory.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository, or of the installed package. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export const nativeDir = join(root, 'native');
export const buildDir = join(root, 'build');
export const sourceDir = join(root, 'src');
/** The sources of the dashboard's page. */
export const pageDir = join(root, 'dashboard');
export const distDir = join(root, 'dist');
export const addonFile = join(buildDir, 'retort.node');

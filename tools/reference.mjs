// Writes the reference of all that the package exports, from the comments in the source, to docs/api/index.html. A link in a
// comment that leads nowhere ends it with status 1.
//   npm run docs
// The first run installs TypeDoc into build/reference/ from npm (tools/reference/package-lock.json says which).
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { buildDir, root } from './paths.mjs';
import { capture } from './processes.mjs';
import { readJson } from './stamps.mjs';
import { runTool, ToolError } from './tool-error.mjs';

const installed = join(buildDir, 'reference');
const out = join(root, 'docs/api');

function installTypeDoc() {
  const from = join(root, 'tools/reference');
  const stamp = join(installed, 'installed.json');
  const lock = readFileSync(join(from, 'package-lock.json'), 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.log('docs: installing TypeDoc into build/reference ...');
  mkdirSync(installed, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', '.npmrc'])
    copyFileSync(join(from, name), join(installed, name));
  const command = ['ci', '--no-fund', '--no-audit', '--loglevel=error'];
  const { ok, output } = capture('npm', command, { cwd: installed });
  if (!ok) throw new ToolError(`npm ci failed: ${output}`, 'is the network there? npm brings TypeDoc and TypeScript 6');
  writeFileSync(stamp, lock);
}

/** The source of every subpath that the package exports. */
function entryPoints() {
  const { exports } = readJson(join(root, 'package.json'));
  return Object.values(exports).flatMap((/** @type {{ default?: string }} */ entry) =>
    entry.default === undefined ? [] : [entry.default.replace('./dist/', './src/').replace(/\.js$/, '.ts')],
  );
}

function main() {
  installTypeDoc();
  const options = {
    entryPoints: entryPoints().map((path) => join(root, path)),
    out,
    name: 'Retort',
    readme: 'none',
    tsconfig: join(root, 'tsconfig.json'),
    basePath: join(root, 'src'),
    excludeInternal: true,
    excludePrivate: true,
    disableSources: true,
    validation: { invalidLink: true, notExported: false, notDocumented: false },
    treatValidationWarningsAsErrors: true,
  };
  const file = join(installed, 'options.json');
  writeFileSync(file, JSON.stringify(options));
  const typedoc = join(installed, 'node_modules/typedoc/bin/typedoc');
  const { ok, output } = capture(process.execPath, [typedoc, '--options', file], { cwd: root });
  if (!ok) throw new ToolError(output, 'correct the comments that it names');
  console.log('the reference is docs/api/index.html');
}

runTool('docs', main);

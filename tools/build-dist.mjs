// Compiles src/ to dist/ when a source, a setting or the compiler has changed, and removes what no source stands for any more.
//   node tools/build-dist.mjs

import { chmodSync, existsSync, realpathSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

import { buildDir, distDir, root, sourceDir } from './paths.mjs';
import { capture } from './processes.mjs';
import { filesBelow, hashFiles, readJson, writeJson } from './stamps.mjs';
import { runTool, ToolError } from './tool-error.mjs';

const stampFile = join(buildDir, 'dist-stamp.json');
const configs = ['tsconfig.json', 'tsconfig.build.json', 'package.json'].map((name) => join(root, name));

/** @returns {string[]} the modules that tsconfig.build.json compiles */
function sources() {
  return filesBelow(sourceDir, (path) => path.endsWith('.ts') && !/\.(test|contract|d)\.ts$|\/testing\//.test(path));
}

/** @returns {string[]} the files that they are compiled to */
function outputs() {
  return sources().flatMap((file) => {
    const base = join(distDir, relative(sourceDir, file)).slice(0, -'.ts'.length);
    return [`${base}.js`, `${base}.d.ts`, `${base}.js.map`];
  });
}

function stampNow() {
  const compiler = readJson(join(root, 'node_modules/typescript/package.json'))?.version;
  return { sources: hashFiles([...sources(), ...configs], root), compiler };
}

/** Whether dist/ is what src/ says. */
export function isDistCurrent() {
  const [stamp, now] = [readJson(stampFile), stampNow()];
  if (stamp?.sources !== now.sources || stamp?.compiler !== now.compiler) return false;
  return outputs().every((file) => existsSync(file));
}

/**
 * @returns {boolean} whether anything had to be built
 * @throws {ToolError} with the compiler's errors
 */
export function buildDist() {
  const isCurrent = isDistCurrent();
  if (!isCurrent) {
    console.log('compiling TypeScript to dist/ ...');
    rmSync(stampFile, { force: true });
    const { ok, output } = capture(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { cwd: root });
    if (!ok) throw new ToolError(`TypeScript does not compile:\n${output}`, 'mend the lines named above');
  }
  const wanted = new Set(outputs());
  for (const file of filesBelow(distDir)) if (!wanted.has(file)) rmSync(file);
  const command = join(distDir, 'cli/main.js');
  if (existsSync(command)) chmodSync(command, 0o755);
  if (!isCurrent) writeJson(stampFile, stampNow());
  return !isCurrent;
}

if (process.argv[1] && import.meta.filename === realpathSync(process.argv[1])) {
  runTool('build-dist', () => {
    console.log(buildDist() ? 'build-dist: done' : 'build-dist: up to date');
  });
}

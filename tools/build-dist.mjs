// Compiles src/ to dist/, and the dashboard's page with Vite to dist/dashboard/page, each when a source, a setting or a tool has changed;
// removes what no source stands for any more.
//   node tools/build-dist.mjs

import { chmodSync, existsSync, realpathSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

import { buildDir, distDir, pageDir, root, sourceDir } from './paths.mjs';
import { capture } from './processes.mjs';
import { filesBelow, hashFiles, readJson, writeJson } from './stamps.mjs';
import { runTool, ToolError } from './tool-error.mjs';

const stampFile = join(buildDir, 'dist-stamp.json');
const configs = ['tsconfig.json', 'tsconfig.build.json', 'package.json'].map((name) => join(root, name));

const pageStampFile = join(buildDir, 'page-stamp.json');
const pageFolder = join(distDir, 'dashboard/page');
const pageFiles = ['dashboard.css', 'dashboard.js', 'index.html', 'licenses.txt'].map((name) => join(pageFolder, name));
/** What the page is built with, and what it is made of. */
const pageTools = ['vite', 'preact', 'uplot'];

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

function pageStampNow() {
  const versions = pageTools.map((name) => readJson(join(root, `node_modules/${name}/package.json`))?.version);
  return { sources: hashFiles(filesBelow(pageDir), root), versions: versions.join() };
}

function isPageCurrent() {
  const [stamp, now] = [readJson(pageStampFile), pageStampNow()];
  if (stamp?.sources !== now.sources || stamp?.versions !== now.versions) return false;
  return pageFiles.every((file) => existsSync(file));
}

function buildPage() {
  console.log("building the dashboard's page ...");
  rmSync(pageStampFile, { force: true });
  const vite = join(root, 'node_modules/.bin/vite');
  const { ok, output } = capture(vite, ['build', '--config', join(pageDir, 'vite.config.ts')], { cwd: root });
  if (!ok) throw new ToolError(`the dashboard's page does not build:\n${output}`, 'mend what is named above');
  writeJson(pageStampFile, pageStampNow());
}

/** Whether dist/ is what the sources say. */
export function isDistCurrent() {
  return isCodeCurrent() && isPageCurrent();
}

function isCodeCurrent() {
  const [stamp, now] = [readJson(stampFile), stampNow()];
  if (stamp?.sources !== now.sources || stamp?.compiler !== now.compiler) return false;
  return outputs().every((file) => existsSync(file));
}

/**
 * @returns {boolean} whether anything had to be built
 * @throws {ToolError} with the compiler's errors
 */
export function buildDist() {
  const isCurrent = isCodeCurrent();
  if (!isCurrent) {
    console.log('compiling TypeScript to dist/ ...');
    rmSync(stampFile, { force: true });
    const { ok, output } = capture(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { cwd: root });
    if (!ok) throw new ToolError(`TypeScript does not compile:\n${output}`, 'mend the lines named above');
  }
  const wasPageCurrent = isPageCurrent();
  if (!wasPageCurrent) buildPage();
  const wanted = new Set([...outputs(), ...pageFiles]);
  for (const file of filesBelow(distDir)) if (!wanted.has(file)) rmSync(file);
  const command = join(distDir, 'cli/main.js');
  if (existsSync(command)) chmodSync(command, 0o755);
  if (!isCurrent) writeJson(stampFile, stampNow());
  return !isCurrent || !wasPageCurrent;
}

if (process.argv[1] && import.meta.filename === realpathSync(process.argv[1])) {
  runTool('build-dist', () => {
    console.log(buildDist() ? 'build-dist: done' : 'build-dist: up to date');
  });
}

// Proves that the package works where people install it: packs it, installs the tarball into empty folders, and uses it there as
// they do. The programs are those of test/package/. What is compiled in a clone is not needed: the setup builds its own addon.
//   npm run prove:package          all: npm, pnpm and yarn from the registry, TypeScript 5.4 to 7, a quickstart of one epoch
//   node tools/prove-package.mjs --offline [--keep]     the part without network, with what node_modules has and the addon of
//                                  this clone in place of one that the setup builds; what test/package.test.ts runs
// --keep leaves the folder there.

import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';

import { storeAddon } from './addon-cache.mjs';
import { readAddon } from './addon-file.mjs';
import { addonFile, root } from './paths.mjs';
import { capture, commandLine } from './processes.mjs';
import { readJson } from './stamps.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** @typedef {{ filename: string, size: number, unpackedSize: number, files: { path: string, size: number }[] }} Packed */

/** In bytes. A checkpoint, a data set or a build that slips in goes beyond them. */
const limits = { packed: 3.5e6, unpacked: 10.7e6, file: 0.5e6 };
/** The largest file there is meant to be: the teacher of the quickstart. */
const largeFiles = ['recipes/kd-fashion-mnist/teacher.safetensors'];

const programs = join(root, 'test/package');
const compilers = ['5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6.0', '7.0'];
const resolutions = /** @type {const} */ ([
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
]);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'retort-package-')));
let failed = 0;
let passed = 0;

/** Without what this process was told about Retort, node and vitest. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(RETORT_(?!THREADS|TUNE_BLAS)|LIBTORCH$|NODE_|VITEST|TEST$|npm_(?!config_(registry|cafile|cache)))/.test(
          name,
        ),
    ),
  ),
  XDG_CACHE_HOME: join(folder, 'cache'),
  NO_COLOR: '1',
};

/**
 * Runs a program to its end.
 * @param {string} cwd
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} [env] over the usual one; undefined takes a variable away
 */
function run(cwd, command, env = {}) {
  return capture(command[0] ?? '', command.slice(1), { cwd, env: { ...environment, ...env } });
}

/**
 * @param {string} cwd
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string} what it printed
 * @throws {ToolError} when it fails
 */
function must(cwd, command, env) {
  const { ok, output } = run(cwd, command, env);
  if (!ok) throw new ToolError(`${commandLine(command)}\n${output.split('\n').slice(-40).join('\n')}`, '');
  return output;
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 */
function expectMatch(text, pattern) {
  if (!pattern.test(text)) throw new ToolError(`expected ${pattern}, got:\n${text}`, '');
}

/**
 * @param {string} name
 * @param {() => void} body
 */
function step(name, body) {
  const started = performance.now();
  try {
    body();
    passed++;
    console.log(`ok      ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    failed++;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

/** @returns {Packed} */
function pack() {
  const command = ['npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { ok, stdout, output } = capture('npm', command.slice(1), { cwd: root });
  if (!ok) throw new ToolError(`\`${commandLine(command)}\` failed:\n${output}`, 'npm run build');
  const answer = JSON.parse(stdout);
  return Array.isArray(answer) ? answer[0] : /** @type {Packed} */ (Object.values(answer)[0]);
}

/** @param {Packed} packed */
function checkContents({ size, unpackedSize, files }) {
  const paths = files.map(({ path }) => path);
  const wrong = files
    .filter(({ path, size }) => size > limits.file && !largeFiles.includes(path))
    .map(({ path, size }) => `${path} has ${size} bytes`);
  if (size > limits.packed) wrong.push(`the tarball has ${size} bytes, ${limits.packed} are allowed`);
  if (unpackedSize > limits.unpacked)
    wrong.push(`unpacked it has ${unpackedSize} bytes, ${limits.unpacked} are allowed`);
  wrong.push(...paths.filter((path) => /\.test\.|\.node$|^test\/|^build\//.test(path)));
  for (const page of paths.filter((path) => path.endsWith('.md'))) {
    for (const [, link = ''] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const target = normalize(join(dirname(page), link)).replace(/\/$/, '');
      if (!paths.some((path) => path === target || path.startsWith(`${target}/`)))
        wrong.push(`${page} links to ${link}`);
    }
  }
  if (wrong.length > 0) throw new ToolError(wrong.join('\n'), '');
}

/**
 * A project with the package in node_modules, as npm would lay it out; what it depends on comes from this clone.
 * @param {string} app
 * @param {string} tarball
 */
function layOut(app, tarball) {
  const modules = join(app, 'node_modules');
  mkdirSync(join(modules, 'retort-kd'), { recursive: true });
  must(app, ['tar', '-xzf', tarball, '--strip-components=1', '-C', join(modules, 'retort-kd')]);
  /** @type {Record<string, { dev?: boolean }>} */
  const locked = readJson(join(root, 'package-lock.json')).packages;
  const needed = Object.keys(locked).filter(
    (path) => /^node_modules\/(?!.*\/node_modules\/)/.test(path) && !locked[path]?.dev,
  );
  for (const path of [
    ...needed,
    ...['typescript', 'vitest', 'esbuild', '@types/node'].map((name) => `node_modules/${name}`),
  ]) {
    if (!existsSync(join(root, path)) || existsSync(join(app, path))) continue;
    mkdirSync(dirname(join(app, path)), { recursive: true });
    symlinkSync(join(root, path), join(app, path));
  }
  mkdirSync(join(modules, '.bin'));
  symlinkSync('../retort-kd/dist/cli/main.js', join(modules, '.bin/retort'));
}

/** @param {string} name */
function newFolder(name) {
  const app = join(folder, name);
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }\n');
  cpSync(programs, app, { recursive: true });
  copyFileSync(join(app, 'engine.spec.ts'), join(app, 'second.spec.ts')); // two at once
  return app;
}

/**
 * What holds in each project, however it was installed.
 * @param {string} app
 * @param {string[]} node how Node is started there
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string[]} [programs]
 */
function runPrograms(app, node, env, programs = ['esm.mjs', 'commonjs.cjs', 'lazy.mjs']) {
  for (const program of programs) {
    const said = must(app, [...node, program], env);
    const output = program === 'lazy.mjs' ? 'false true' : '[2,4]';
    if (said !== output) throw new ToolError(`${program}: expected ${output}, got ${said}`, '');
  }
}

/**
 * @param {string} app
 * @param {string} compiler its file
 * @param {readonly (readonly [string, string])[]} [settings] module and moduleResolution
 */
function checkTypes(app, compiler, settings = resolutions) {
  for (const [module, moduleResolution] of settings) {
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      target: 'es2022',
      types: ['node'],
      module,
      moduleResolution,
    };
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['types.ts'] }));
    must(app, [process.execPath, compiler, '-p', '.']);
  }
}

/**
 * @param {string} app
 * @param {string} vitest its file
 */
function runVitest(app, vitest) {
  for (const pool of ['threads', 'forks'])
    expectMatch(must(app, [process.execPath, vitest, 'run', '--pool', pool]), /Tests +2 passed/);
}

/**
 * Everything in one file but the addon, and what has native parts of its own.
 * @param {string} app
 * @param {string} esbuild its file
 */
function runBundles(app, esbuild) {
  const addon = join(app, 'node_modules/retort-kd/build/retort.node');
  const away = join(folder, `bundles-${app.split('/').at(-1)}`);
  mkdirSync(away);
  for (const format of ['esm', 'cjs']) {
    const file = join(away, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs');
    const options = [
      '--bundle',
      '--platform=node',
      `--format=${format}`,
      '--external:sharp',
      '--external:tsx',
      '--log-level=error',
    ];
    must(app, [esbuild, 'esm.mjs', `--outfile=${file}`, ...options]);
    const bare = { XDG_CACHE_HOME: join(folder, 'nothing') };
    expectMatch(run(away, [process.execPath, file], bare).output, /a bundle does not hold it[^]*RETORT_ADDON/);
    expectMatch(must(away, [process.execPath, file], { ...bare, RETORT_ADDON: addon }), /^\[2,4\]$/);
    copyFileSync(addon, join(away, 'retort.node'));
    expectMatch(must(away, [process.execPath, file], bare), /^\[2,4\]$/);
    rmSync(join(away, 'retort.node'));
  }
}

/** Puts this clone's addon where a setup would have left it. */
function seedCache() {
  const record = readAddon(addonFile);
  if (typeof record === 'string') throw new ToolError(`${addonFile}: ${record}`, 'npm run build');
  if (!storeAddon(readFileSync(addonFile), record, environment)) throw new ToolError('the cache cannot be written', '');
}

/** @param {{ offline: boolean }} options */
function prove({ offline }) {
  const packed = pack();
  const tarball = join(folder, packed.filename);
  step('what is in the package: size, links', () => checkContents(packed));

  const app = newFolder('app');
  const install = (/** @type {string} */ where) =>
    offline ? layOut(where, tarball) : must(where, ['npm', 'install', '--no-fund', '--no-audit', tarball]);
  const retort = offline ? [process.execPath, 'node_modules/.bin/retort'] : ['npx', 'retort'];
  step('install', () => void install(app));
  step('before the setup the error says what to do', () => {
    expectMatch(
      run(app, [process.execPath, 'esm.mjs']).output,
      /RetortError: the native addon is not built yet\n {2}help: run `npx retort setup`/,
    );
    const { ok, output } = run(app, [...retort, 'doctor']);
    if (ok) throw new ToolError('the doctor finds nothing missing', '');
    expectMatch(output, /addon +missing[^]*npx retort setup/);
  });
  if (offline) seedCache();
  step('retort setup', () =>
    expectMatch(must(app, [...retort, 'setup']), offline ? /was built before/ : /building the native addon[^]*ready/),
  );
  step('ESM, CommonJS, a lazy engine', () => runPrograms(app, [process.execPath]));
  step('retort doctor', () =>
    expectMatch(must(app, [...retort, 'doctor']), /addon +ok +\S+build\/retort\.node \(of this package\)/),
  );
  step('without a home and a cache', () =>
    runPrograms(app, [process.execPath], { XDG_CACHE_HOME: undefined, HOME: '/nonexistent' }),
  );
  step('a second installation takes the addon from the cache', () => {
    const again = newFolder('again');
    install(again);
    runPrograms(again, [process.execPath]); // even without a setup
    expectMatch(must(again, [...retort, 'setup']), /was built before/);
  });

  if (!offline)
    must(app, ['npm', 'install', '--no-fund', '--no-audit', '@types/node@20', 'typescript@7', 'vitest@4', 'esbuild']);
  const inApp = (/** @type {string} */ path) => join(app, 'node_modules', path);
  step('vitest, threads and forks', () => runVitest(app, inApp('vitest/vitest.mjs')));
  step('esbuild, the addon outside', () => runBundles(app, inApp('esbuild/bin/esbuild')));
  step('TypeScript at hand', () => checkTypes(app, inApp('typescript/bin/tsc'), resolutions.slice(offline ? 1 : 0)));
  if (!offline) proveOnline(app, tarball);
}

/**
 * @param {string} app
 * @param {string} tarball
 */
function proveOnline(app, tarball) {
  const managers = join(folder, 'managers');
  mkdirSync(managers);
  must(managers, ['npm', 'install', '--no-fund', '--no-audit', '--prefix', managers, 'pnpm@10', '@yarnpkg/cli-dist@4']);
  step('pnpm: isolated packages, no build scripts', () => {
    const place = newFolder('pnpm');
    const pnpm = [process.execPath, join(managers, 'node_modules/pnpm/bin/pnpm.cjs')];
    must(place, [...pnpm, 'add', '--store-dir', join(folder, 'pnpm-store'), tarball]);
    const bare = { XDG_CACHE_HOME: join(folder, 'nothing') };
    expectMatch(run(place, [process.execPath, 'esm.mjs'], bare).output, /run `pnpm exec retort setup`/);
    expectMatch(must(place, [...pnpm, 'exec', 'retort', 'setup']), /was built before/);
    runPrograms(place, [process.execPath]);
  });
  step("yarn: Plug'n'Play", () => {
    const place = newFolder('yarn');
    const yarn = [process.execPath, join(managers, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js')];
    const setting = (/** @type {string} */ name) => capture('npm', ['config', 'get', name]).stdout.trim();
    const ca = setting('cafile');
    const env = {
      YARN_NPM_REGISTRY_SERVER: setting('registry').replace(/\/$/, ''),
      YARN_GLOBAL_FOLDER: join(folder, 'yarn'),
      ...(ca !== 'null' && ca !== '' ? { YARN_HTTPS_CA_FILE_PATH: ca } : {}),
    };
    writeFileSync(join(place, 'yarn.lock'), '');
    must(place, [...yarn, 'add', tarball], env);
    expectMatch(must(place, [...yarn, 'retort', 'setup'], env), /was built before/);
    runPrograms(place, [...yarn, 'node'], env, ['esm.mjs', 'lazy.mjs']); // its loader serves no require of ES modules
  });
  step('retort quickstart, one epoch', () => {
    expectMatch(
      must(app, ['npx', 'retort', 'quickstart', '--epochs', '1']),
      /student distilled[^]*student\.safetensors/,
    );
  });
  const aliases = compilers.map((version) => `typescript-${version}@npm:typescript@~${version}`);
  must(managers, ['npm', 'install', '--no-fund', '--no-audit', '--prefix', managers, ...aliases]);
  for (const version of compilers) {
    step(`TypeScript ${version}`, () => checkTypes(app, join(managers, `node_modules/typescript-${version}/bin/tsc`)));
  }
}

runTool('prove-package', () => {
  const { values } = parseArgs({ options: { offline: { type: 'boolean' }, keep: { type: 'boolean' } } });
  try {
    prove({ offline: values.offline ?? false });
  } finally {
    if (values.keep) console.log(`the folder is ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});

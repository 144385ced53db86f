// Draws the pictures of the documents: a training step, and the floors of the source with what stands on which. The floors are
// read off the imports, so that the picture says what is there.
//   npm run pictures                        writes docs/images/*.svg
//   node tools/draw-pictures.mjs --check    ends with status 1 where a picture is not what it would draw
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { root } from './paths.mjs';
import { runTool, ToolError } from './tool-error.mjs';

const images = join(root, 'docs/images');
const font = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"';

/** Light and dark, as the reader's page is. */
const style = `<style>
  .page { fill: #ffffff } .box { fill: #f4f6f8; stroke: #5b6b7b } .teacher { fill: #e8eef9; stroke: #3b62b3 }
  .student { fill: #e7f5ec; stroke: #2a8a52 } .loss { fill: #fdf0e1; stroke: #c26a12 } .text { fill: #1d2733 } .note { fill: #56636f }
  .line { stroke: #5b6b7b; fill: none } .tip { fill: #5b6b7b } .back { stroke: #c26a12; fill: none } .backtip { fill: #c26a12 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .box { fill: #1a212b; stroke: #8595a6 } .teacher { fill: #18233b; stroke: #7ea0ea }
    .student { fill: #13291d; stroke: #5cc487 } .loss { fill: #33240f; stroke: #eaa456 } .text { fill: #e3e9ef } .note { fill: #9aa8b5 }
    .line { stroke: #8595a6 } .tip { fill: #8595a6 } .back { stroke: #eaa456 } .backtip { fill: #eaa456 }
  }
</style>`;

/** @param {string} text */
const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/**
 * @param {number} width
 * @param {number} height
 * @param {string} title
 * @param {string[]} parts
 */
function picture(width, height, title, parts) {
  const tip = (/** @type {string} */ id, /** @type {string} */ kind) =>
    `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="${kind}" d="M0 0L8 4L0 8z"/></marker>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    style,
    `<defs>${tip('tip', 'tip')}${tip('backtip', 'backtip')}</defs>`,
    `<rect class="page" width="${width}" height="${height}" rx="10"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/**
 * A box with a name, and smaller lines below it.
 * @param {{ x: number, y: number, w: number, h: number, kind?: string, dashed?: boolean }} at
 * @param {string} name
 * @param {string[]} lines
 */
function box({ x, y, w, h, kind = 'box', dashed = false }, name, lines = []) {
  const middle = x + w / 2;
  const top = y + h / 2 - lines.length * 8 + 5;
  const text = lines.map(
    (line, i) =>
      `<text class="note" x="${middle}" y="${top + 17 + 16 * i}" font-size="12" text-anchor="middle" ${font}>${escape(line)}</text>`,
  );
  return [
    `<rect class="${kind}" x="${x}" y="${y}" width="${w}" height="${h}" rx="7" stroke-width="1.3"${dashed ? ' stroke-dasharray="5 3"' : ''}/>`,
    `<text class="text" x="${middle}" y="${top}" font-size="14" font-weight="600" text-anchor="middle" ${font}>${escape(name)}</text>`,
    ...text,
  ].join('\n');
}

/**
 * @param {string} path of SVG
 * @param {boolean} [back] a gradient
 */
const arrow = (path, back = false) =>
  `<path class="${back ? 'back' : 'line'}" d="${path}" stroke-width="1.6"${back ? ' stroke-dasharray="6 4"' : ''} marker-end="url(#${back ? 'backtip' : 'tip'})"/>`;

/** @param {number} x @param {number} y @param {string} text @param {string} [anchor] */
const note = (x, y, text, anchor = 'middle') =>
  `<text class="note" x="${x}" y="${y}" font-size="12" text-anchor="${anchor}" ${font}>${escape(text)}</text>`;

function step() {
  return picture(900, 330, 'A training step', [
    box({ x: 20, y: 130, w: 120, h: 70 }, 'DataLoader', ['a batch: inputs,', 'targets']),
    box({ x: 200, y: 40, w: 190, h: 70, kind: 'teacher' }, 'teacher', ['frozen, no gradients']),
    box({ x: 200, y: 220, w: 190, h: 70, kind: 'student' }, 'student', ['the network that is shipped']),
    box({ x: 450, y: 40, w: 120, h: 70, dashed: true }, 'recorders', ['what flows inside']),
    box({ x: 450, y: 220, w: 120, h: 70, dashed: true }, 'recorders', ['what flows inside']),
    box({ x: 445, y: 130, w: 130, h: 70 }, 'connectors', ['one shape for both']),
    box({ x: 630, y: 130, w: 110, h: 70, kind: 'loss' }, 'losses', ['compare']),
    box({ x: 790, y: 130, w: 90, h: 70 }, 'optimizer', ['one update']),
    arrow('M140 155 C170 155 170 75 198 75'),
    arrow('M140 175 C170 175 170 255 198 255'),
    arrow('M390 75 H448'),
    arrow('M390 255 H448'),
    arrow('M295 110 V218'),
    note(302, 160, 'deliveries', 'start'),
    arrow('M570 75 C610 75 610 150 628 150'),
    arrow('M510 220 V202'),
    arrow('M575 165 H628'),
    arrow('M740 165 H788'),
    arrow('M685 200 V310 H295 V292', true),
    note(480, 304, 'gradients: to the student and the connectors alone'),
    note(450, 24, 'Networks stay as they are: recorders tap modules, functions and methods by their names.'),
  ]);
}

/** What each part of the source is, in a few words. @type {Record<string, string>} */
const about = {
  cli: 'commands',
  dashboard: 'a page over runs',
  runner: 'a config becomes a run',
  openmmlab: 'configs of OpenMMLab',
  deploy: 'ONNX, 8 bits, the browser',
  engine: 'the loop, checkpoints',
  features: 'feature maps as pictures',
  distill: 'recorders, connectors, losses',
  models: 'backbones, necks, heads',
  data: 'data sets, transforms',
  config: 'what a config says',
  nn: 'modules, layers',
  optim: 'optimizers, schedulers',
  registry: 'names, schemas',
  intercept: 'taps on functions',
  formats: 'files to plain data',
  torch: 'tensors, autograd',
  native: 'the addon, C++',
};

/** Which folders of src/ import which, values alone: types vanish. @returns {Map<string, Set<string>>} */
function imports() {
  const source = join(root, 'src');
  const found = new Map();
  for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || /\.(?:test|contract|bench)\.ts$/.test(name) || !name.includes('/')) continue;
    const [folder = ''] = name.split('/');
    if (!found.has(folder)) found.set(folder, new Set());
    const text = readFileSync(join(source, name), 'utf8');
    for (const [, target = ''] of text.matchAll(/^(?:import|export) (?!type\b)[^;]*?from '(\.[^']*)';/gm)) {
      const [other = ''] = relative(source, resolve(source, dirname(name), target)).split('/');
      if (other !== folder && !other.endsWith('.ts') && other !== '..') found.get(folder).add(other);
    }
  }
  return found;
}

function floors() {
  const edges = imports();
  edges.set('native', new Set());
  edges.get('torch')?.add('native');
  const unknown = [...edges.keys()].filter((name) => about[name] === undefined);
  if (unknown.length > 0) throw new ToolError(`no words for ${unknown.join(', ')}`, 'add them to `about`');
  /** @type {Map<string, number>} */
  const heights = new Map();
  /** @param {string} name @param {string[]} above @returns {number} */
  const height = (name, above) => {
    if (above.includes(name))
      throw new ToolError(`imports go round: ${[...above, name].join(' -> ')}`, 'break the circle');
    const known = heights.get(name);
    if (known !== undefined) return known;
    const below = [...(edges.get(name) ?? [])].map((other) => height(other, [...above, name]));
    const own = below.length === 0 ? 0 : 1 + Math.max(...below);
    heights.set(name, own);
    return own;
  };
  for (const name of edges.keys()) height(name, []);
  const levels = Math.max(...heights.values());
  const rows = Array.from({ length: levels + 1 }, (_, i) =>
    [...heights]
      .filter(([, level]) => level === levels - i)
      .map(([name]) => name)
      .toSorted(),
  ).filter((row) => row.length > 0);
  const [width, high, gap] = [900, 52, 14];
  const parts = rows.flatMap((row, i) => {
    const w = Math.min(260, (width - 40 - gap * (row.length - 1)) / row.length);
    const left = (width - row.length * w - gap * (row.length - 1)) / 2;
    return row.map((name, j) =>
      box(
        { x: left + j * (w + gap), y: 44 + i * (high + gap), w, h: high },
        name === 'native' ? 'native/' : `src/${name}/`,
        [about[name] ?? ''],
      ),
    );
  });
  const total = 44 + rows.length * (high + gap) + 10;
  return picture(width, total, 'The floors of the source', [
    note(
      width / 2,
      26,
      'Each part imports from floors below its own alone; errors and the door to the file system are open to all.',
    ),
    ...parts,
  ]);
}

function main() {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  for (const [name, text] of Object.entries({ 'step.svg': step(), 'floors.svg': floors() })) {
    const file = join(images, name);
    const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (before === text) continue;
    if (values.check) throw new ToolError(`docs/images/${name} is not what the source says`, 'npm run pictures');
    writeFileSync(file, text);
    console.log(`docs/images/${name} is drawn`);
  }
}

runTool('draw-pictures', main);

// Fills the tables of documents from what sweeps printed, so that a number is written in one place: docs/results/NAME/table.md is the sweep's.
// A line `<!-- results NAME: n, mean ± std -->` stands before a table of these columns; recipes' READMEs have a sentence with their row.
//   npm run tables                         after a sweep's table.md, .csv and .json were copied to docs/results/NAME/
//   node tools/fill-tables.mjs --check     ends with status 1 where a document says something else
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { root } from './paths.mjs';
import { runTool, ToolError } from './tool-error.mjs';

/** What documents call the rows of a sweep. @type {Readonly<Record<string, string>>} */
const labels = {
  alone: 'student alone',
  'alone-longer': 'student alone, 7 epochs',
  'alone-float32': 'student alone, float32',
  kd: 'KD',
  dkd: 'DKD',
  dist: 'DIST',
  standardized: 'KD, standardized logits',
  fitnets: 'FitNets',
  at: 'AT',
  sp: 'SP',
  rkd: 'RKD',
  vid: 'VID',
  ofd: 'OFD',
  crd: 'CRD',
  srd: 'SRD',
  dml: 'DML',
  ema: 'averaged teacher',
  pkt: 'PKT',
  byot: 'BYOT',
  ft: 'FT',
  ab: 'AB',
  cc: 'CC',
  fast: 'FastDFKD',
  dfad: 'DFAD',
  zskt: 'ZSKT',
  dafl: 'DAFL',
};

/** @typedef {{ header: readonly string[], rows: readonly (readonly string[])[] }} Table */

/** @param {string} line */
const cellsOf = (line) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The table of a sweep: rows that have a number. @param {string} name @returns {Table} */
function tableOf(name) {
  const path = `docs/results/${name}/table.md`;
  if (!existsSync(join(root, path))) throw new ToolError(`${path} is not there`, 'copy what the sweep printed there');
  const lines = readFileSync(join(root, path), 'utf8').split('\n');
  const [header = [], , ...rows] = lines.filter((line) => line.startsWith('|')).map(cellsOf);
  return { header, rows: rows.filter((row) => row[header.indexOf('n')] !== '0') };
}

/** @param {Table} table @param {readonly string[]} row @param {string} column */
function cell({ header }, row, column) {
  const at = header.indexOf(column);
  if (at < 0) throw new ToolError(`a document asks for the column "${column}"`, `name some of ${header.join(', ')}`);
  const text = row[at] ?? '';
  return column === 'mean ± std' ? text.replace(' *', '') : text;
}

/** The lines of a table for a document. @param {string} name @param {readonly string[]} columns */
function linesOf(name, columns) {
  const table = tableOf(name);
  const rows = table.rows.map((row) => {
    const [key = ''] = row;
    return [labels[key] ?? key, ...columns.map((column) => cell(table, row, column))];
  });
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(['method', ...columns]), `|---|${'--:|'.repeat(columns.length)}`, ...rows.map(line)];
}

const marker = /^<!-- results ([\w-]+): (.+) -->$/;

/** A document with its tables filled. @param {string} text */
function filled(text) {
  /** @type {string[]} */
  const lines = [];
  const left = text.split('\n');
  while (left.length > 0) {
    const line = left.shift() ?? '';
    lines.push(line);
    const [, name, columns] = marker.exec(line) ?? [];
    if (name === undefined || columns === undefined) continue;
    while (left[0] === '') left.shift();
    while (left[0]?.startsWith('|')) left.shift();
    lines.push('', ...linesOf(name, columns.split(', ')));
  }
  return lines
    .join('\n')
    .replaceAll(
      sentence,
      (_, before, budget, after, config) => before + sentenceOf(config, budget === 'no data') + after,
    );
}

/** `...(WRN-16-2 to WRN-16-1, 4 epochs): 84.98% ± 0.16 over 3 seeds, the student alone 78.80% ± 0.29 ([config](../cifar10/at.ts)).` */
const sentence =
  /(\((?:WRN-16-2 to )?WRN-16-1, (4 epochs|no data)\): ).*?( \(\[config\]\(\.\.\/cifar10\/([\w-]+)\.ts\)\))/g;

/** @param {string} config @param {boolean} dataFree */
function sentenceOf(config, dataFree) {
  const table = tableOf(dataFree ? 'cifar10-data-free' : 'cifar10');
  const method = config === 'fast-data-free' ? 'fast' : config;
  const rowOf = (/** @type {string} */ key) => {
    const row = table.rows.find(([first]) => first === key);
    if (row === undefined) throw new ToolError(`a recipe speaks of ${key}, of which there is no number`, 'train it');
    return row;
  };
  const row = rowOf(method);
  const n = cell(table, row, 'n');
  const seeds = n === '1' ? 'with one seed' : `over ${n} seeds`;
  const own = `${cell(table, row, 'mean ± std')} ${seeds}`;
  if (dataFree) return own;
  return `${own}, the student alone ${cell(table, rowOf('alone'), 'mean ± std')}`;
}

function main() {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const recipes = readdirSync(join(root, 'recipes'), { recursive: true, encoding: 'utf8' });
  const documents = [
    ...['README.md', 'docs/choosing.md', 'docs/results/cifar10.md'],
    ...recipes.filter((path) => path.endsWith('README.md')).map((path) => join('recipes', path)),
  ];
  for (const path of documents) {
    const before = readFileSync(join(root, path), 'utf8');
    const text = filled(before);
    if (text === before) continue;
    if (values.check) throw new ToolError(`${path} has other numbers than docs/results`, 'npm run tables');
    writeFileSync(join(root, path), text);
    console.log(`${path} is filled`);
  }
}

runTool('fill-tables', main);

// `retort features RUN|CONFIG IMAGE... --record PATH`: feature maps as pictures.
import { basename, extname, join } from 'node:path';

import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { RetortError } from '../errors.ts';
import { channelReductions } from '../features/index.ts';
import { isFolder, listFolder, makeFolder } from '../files.ts';
import { serializePng, writeFileAtomicSync } from '../formats/index.ts';
import { features as draw, featureSides } from '../runner/index.ts';
import type { DrawnFeature } from '../runner/index.ts';
import { allowScripts, cfgOptions, device, loadOptions, packageFolders } from './config-options.ts';
import { imagesIn } from './images.ts';
import { wholeNumber } from './numbers.ts';
import { say } from './streams.ts';

/** `4 5` or `4x5`. */
function size(text: string): [number, number] {
  const [, first, second] = /^(\d+)[x,](\d+)$/.exec(text) ?? [];
  if (first === undefined || Number(first) < 1 || Number(second) < 1)
    throw new InvalidArgumentError('expected two numbers such as 4x5.');
  return [Number(first), Number(second)];
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('expected a number of 0 to 1.');
  return value;
}

function range(text: string): [number, number] {
  const [low, high, ...more] = text.split(',').map(Number) as [number, number?, ...number[]];
  if (high === undefined || more.length > 0 || !(low < high))
    throw new InvalidArgumentError('expected the lowest and the highest value, such as -1,3.');
  return [low, high];
}

export const features = new Command('features')
  .description('draw feature maps of images, of a student, its teacher, or what is between them')
  .argument('<run-or-config>', 'the folder of a run, a student.safetensors with its model.json, or a config')
  .argument('<images...>', 'image files, and folders of them')
  .requiredOption('--record <paths...>', 'modules whose output is drawn, such as backbone.layer3')
  .option('--teacher-record <paths...>', 'the same in the teacher (default: the same paths)')
  .addOption(new Option('--side <side>', 'whose maps (default: student)').choices(featureSides))
  .option('--teacher <name>', 'which teacher, of several (default: the first)')
  .option('--connector <name>', "a connector of the distiller that the student's maps go through first")
  .option('--teacher-connector <name>', "the same for the teacher's")
  .option('--against <weights-or-run>', 'draw what is between the student and itself with other weights')
  .option('--attention', 'draw weights of attention, such as of backbone.layers.11')
  .addOption(
    new Option('--channel-reduction <how>', 'what becomes of the channels; none: the strongest in a grid')
      .choices([...channelReductions, 'none'] as const)
      .default('squeeze_mean' as const),
  )
  .option('--topk <n>', 'how many channels a grid has', wholeNumber(0), 20)
  .option('--arrangement <rows>x<columns>', 'the grid', size, [4, 5] as [number, number])
  .option('--resize-shape <height>x<width>', 'the size of a picture, or of a tile', size)
  .option('--alpha <share>', 'how much of the colors there is over the image', share, 0.5)
  .option('--no-overlay', 'draw the map alone')
  .option('--use-norm', 'bring each channel to mean 0 and standard deviation 1 first')
  .option('--range <low,high>', 'values of the first and the last color (default: those of each map)', range)
  .option('--no-scale-bar', 'leave the scale of colors out')
  .option('-o, --out <folder>', 'where pictures go', 'features')
  .option('--overwrite', 'replace pictures that are there')
  .option('--checkpoint <file>', "the student's weights (default: the run's)")
  .option('--stage <name>', 'of several stages (default: the last)')
  .option('--json', 'print a list of { image, record, side, file, shape, low, high, channels }')
  .addOption(device)
  .addOption(cfgOptions)
  .addOption(packageFolders)
  .addOption(allowScripts)
  .addHelpText('after', '\nAn image that cannot be read is told; the others are drawn, and the exit code is 1.')
  .action(async (source, given, { out, overwrite, json, channelReduction, cfgOptions: changes, pkg, ...options }) => {
    const images = given.flatMap(imagesIn);
    const stems = uniqueStems(images);
    const { allowScripts: allowed, arrangement, resizeShape, range: ends, ...rest } = options;
    if (overwrite !== true) requireNew(out, stems, options.record);
    const note = (text: string): void => void process.stderr.write(`${pc.yellow('note')} ${text}\n`);
    const drawn = draw(source, images, {
      ...rest,
      ...loadOptions({ cfgOptions: changes, pkg, allowScripts: allowed }),
      ...{ arrangement, resizeShape: resizeShape ?? null, range: ends ?? null, note },
      skipped: (_, error) => {
        process.exitCode = 1;
        process.stderr.write(`${pc.red('error')} ${error.message}\n`);
      },
      channelReduction: channelReduction === 'none' ? null : channelReduction,
      ...{ attention: rest.attention ?? false, useNorm: rest.useNorm ?? false },
    });
    const rows: object[] = [];
    for await (const one of drawn) {
      const file = join(out, `${stems[one.image]!}.${nameOf(one)}.png`);
      makeFolder(out);
      writeFileAtomicSync(file, serializePng({ ...one.picture, channels: 3 }));
      const [low, high] = one.picture.range;
      const { channels } = one.picture;
      const row = { image: images[one.image], record: one.record, side: one.side, file, shape: one.shape, low, high };
      rows.push(channels === undefined ? row : { ...row, channels });
      if (json !== true)
        say(`${pc.bold(file)}  ${one.shape.join(' x ')}, ${low.toPrecision(3)} to ${high.toPrecision(3)}`);
    }
    if (json === true) say(JSON.stringify(rows, null, 2));
  });

/** `backbone.layer3.student`, and the number of a part of a list. */
function nameOf({ record, part, side }: Pick<DrawnFeature, 'record' | 'part' | 'side'>): string {
  const path = record === '' ? 'outputs' : record.replaceAll(/[^\w.-]/g, '_');
  return `${path}.${part === undefined ? '' : `${part}.`}${side}`;
}

/** Names of pictures by image: those of the files, numbered where several have one. */
function uniqueStems(images: readonly string[]): string[] {
  const taken = new Set<string>();
  return images.map((image) => {
    const name = basename(image, extname(image));
    let stem = name;
    for (let count = 2; taken.has(stem); count++) stem = `${name}-${count}`;
    taken.add(stem);
    return stem;
  });
}

/** @throws {RetortError} `file-system` for a picture that may be of other networks. */
function requireNew(out: string, stems: readonly string[], records: readonly string[]): void {
  if (!isFolder(out)) return;
  const beginnings = stems.flatMap((stem) =>
    records.map((record) => `${stem}.${nameOf({ record, part: undefined, side: 'diff' }).slice(0, -4)}`),
  );
  const there = listFolder(out)
    .map(({ name }) => name)
    .filter((name) => name.endsWith('.png') && beginnings.some((one) => name.startsWith(one)));
  if (there.length === 0) return;
  throw new RetortError(
    `${join(out, there[0]!)}: there is a picture already${there.length > 1 ? `, and ${there.length - 1} more` : ''}`,
    {
      code: 'file-system',
      help: 'name another folder with --out, or replace them with --overwrite',
    },
  );
}

// What benches share: medians, Markdown tables, the networks that several of them train.
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
export const print = (text) => process.stdout.write(`${text}\n`);

/** Prints a table under its title; the first column is text. */
export function table(title, header, rows) {
  const cells = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  print(`\n${title}\n\n${[line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')}`);
}

/** A CIFAR-style classifier of 10 classes. */
export function resnet({ stageBlocks, width, channels }) {
  const numStages = stageBlocks.length;
  return {
    type: 'ImageClassifier',
    backbone: {
      type: 'ResNet_CIFAR',
      depth: 18,
      stageBlocks,
      numStages,
      inChannels: channels,
      stemChannels: width,
      baseChannels: width,
      outIndices: [numStages - 1],
    },
    neck: { type: 'GlobalAveragePooling' },
    head: { type: 'LinearClsHead', numClasses: 10, inChannels: width * 2 ** (numStages - 1) },
  };
}

const fc = { type: 'ModuleOutputs', source: 'head.fc' };
/** Hinton's distillation of logits. */
export const kd = {
  type: 'ConfigurableDistiller',
  studentRecorders: { fc },
  teacherRecorders: { fc },
  distillLosses: { loss_kl: { type: 'KLDivergence', tau: 4 } },
  lossForwardMappings: {
    loss_kl: { predsS: { recorder: 'fc', fromStudent: true }, predsT: { recorder: 'fc', fromStudent: false } },
  },
};

/** WRN-28-4 or WRN-16-2, of 10 classes. */
export const wideResNet = (widenFactor) => ({
  type: 'ImageClassifier',
  backbone: { type: 'WideResNet', depth: widenFactor === 4 ? 28 : 16, widenFactor },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 64 * widenFactor },
});
/** What is recorded of a WideResNet for OFD, and how many channels it has there over the widening factor. */
const taps = {
  map3: { source: 'backbone.bn1', channels: 64 },
  map2: { source: 'backbone.layer3.0.bn1', channels: 32 },
  map1: { source: 'backbone.layer2.0.bn1', channels: 16 },
};
const maps = ['map1', 'map2', 'map3'];
const recorded = Object.fromEntries(maps.map((name) => [name, { type: 'ModuleOutputs', source: taps[name].source }]));
/** Overhaul of feature distillation, WRN-28-4 to WRN-16-2. */
export const ofd = {
  type: 'OFDDistiller',
  studentRecorders: recorded,
  teacherRecorders: recorded,
  connectors: Object.fromEntries(
    maps.flatMap((name) => {
      const { channels } = taps[name];
      return [
        [
          `${name}_s`,
          {
            type: 'ConvModuleConnector',
            inChannel: 2 * channels,
            outChannel: 4 * channels,
            normCfg: { type: 'BN' },
            actCfg: null,
          },
        ],
        [`${name}_t`, { type: 'OFDTeacherConnector' }],
      ];
    }),
  ),
  distillLosses: Object.fromEntries(
    maps.map((name, i) => [`loss_${name}`, { type: 'OFDLoss', lossWeight: 0.25 * 2 ** (i - 2) }]),
  ),
  lossForwardMappings: Object.fromEntries(
    maps.map((name) => [
      `loss_${name}`,
      {
        sFeature: { recorder: name, fromStudent: true, connector: `${name}_s` },
        tFeature: { recorder: name, fromStudent: false, connector: `${name}_t` },
      },
    ]),
  ),
};

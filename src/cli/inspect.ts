// `retort inspect FILE`: what a file of weights holds, and whose weights they look like.
import { Command } from '@commander-js/extra-typings';
import pc from 'picocolors';

import { bytesInWords, cut } from '../check.ts';
import { inspect as lookInto } from '../runner/index.ts';
import type { Inspected, InspectedOnnx, InspectedWeights } from '../runner/index.ts';
import { harmless, say } from './streams.ts';

export const inspect = new Command('inspect')
  .description(
    'say what a file holds: weights (safetensors, PyTorch, TorchScript, .npz), or the graph of an ONNX network',
  )
  .argument('<file>', 'the file, or a folder of a model hub')
  .option('--entry <name>', 'the entry of a training checkpoint to look at, such as ema')
  .option('--json', 'print as JSON, with all metadata')
  .action((file, { entry, json }) => {
    const found = lookInto(file, entry === undefined ? {} : { entry });
    say(json === true ? JSON.stringify(found, null, 2) : shown(file, found));
  });

function shown(file: string, found: Inspected): string {
  return found.kind === 'onnx' ? shownOnnx(file, found) : shownWeights(file, found);
}

function shownWeights(file: string, found: InspectedWeights): string {
  const { format, entry, otherEntries, network, metadata, tensors, parameters, bytes, leftOut, note } = found;
  const lines = [`${pc.bold(file)} ${pc.dim(`(${format})`)}`];
  const fact = (name: string, text: string): void => void lines.push(`${name.padEnd(12)}${text}`);
  if (network !== undefined) fact('network', pc.green(network));
  if (entry !== undefined) fact('entry', harmless(entry));
  if (otherEntries.length > 0) fact('others', `${harmless(otherEntries.join(', '))} ${pc.dim('(--entry NAME)')}`);
  fact('tensors', `${tensors.length}, ${parameters.toLocaleString('en-US')} parameters, ${bytesInWords(bytes)}`);
  const skipped = Object.entries(leftOut);
  if (skipped.length > 0) fact('left out', harmless(skipped.map(([name, why]) => `${name} (${why})`).join(', ')));
  if (note !== undefined) fact('note', pc.yellow(harmless(note)));
  for (const [i, [key, value]] of Object.entries(metadata).entries())
    fact(i === 0 ? 'metadata' : '', harmless(`${cut(key)}: ${cut(value.replaceAll(/\s+/g, ' '))}`));
  lines.push('');
  const width = Math.max(0, ...tensors.map(({ name }) => name.length));
  for (const { name, dtype, shape } of tensors)
    lines.push(`  ${pc.cyan(harmless(name).padEnd(width))}  ${dtype.padEnd(8)}  [${shape.join(', ')}]`);
  return lines.join('\n');
}

function shownOnnx(file: string, found: InspectedOnnx): string {
  const { opset, producer, metadata, inputs, outputs, values, parameters, bytes } = found;
  const lines = [
    `${pc.bold(file)} ${pc.dim(`(ONNX, opset ${opset}${producer === '' ? '' : `, by ${harmless(producer)}`})`)}`,
  ];
  const row = (name: string, text: string): void => void lines.push(`${name.padEnd(12)}${text}`);
  for (const { name, dtype, shape } of inputs)
    row('input', `${pc.cyan(harmless(name))}  ${dtype}  [${shape.join(', ')}]`);
  for (const { name, dtype, shape } of outputs)
    row('output', `${pc.cyan(harmless(name))}  ${dtype}  [${shape.join(', ')}]`);
  row('constants', `${parameters.toLocaleString('en-US')} numbers, ${bytesInWords(bytes)}`);
  for (const [i, [key, value]] of Object.entries(metadata).entries())
    row(i === 0 ? 'metadata' : '', harmless(`${cut(key)}: ${cut(value.replaceAll(/\s+/g, ' '))}`));
  lines.push('', `  values, for ${pc.green('OnnxOutputs')}`);
  const width = Math.max(0, ...values.map(({ name }) => name.length));
  for (const { name, operator, shape } of values) {
    lines.push(
      `  ${pc.cyan(harmless(name).padEnd(width))}  ${harmless(operator).padEnd(18)}  ${shape === undefined ? '' : `[${shape.join(', ')}]`}`,
    );
  }
  return lines.join('\n');
}

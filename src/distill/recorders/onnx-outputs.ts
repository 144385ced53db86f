// The recorder of values inside of an ONNX file, by the names that they have there.
import { z } from 'zod';

import { nearest, RetortError } from '../../errors.ts';
import { hasNamedValues } from '../../nn/index.ts';
import type { Module, NamedValues } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import type { Call } from './call.ts';
import { Recorder } from './recorder.ts';

/**
 * A value inside of an ONNX file, one record a run: `new OnnxOutputsRecorder('/layer3/layer3.1/relu/Relu_output_0')`. `retort inspect
 * FILE` lists the names. Where a model has several such networks (several teachers), the path of one goes before the name:
 * `'resnet:/layer3/layer3.1/relu/Relu_output_0'`.
 *
 * @example
 * ```ts
 * const recorder = new OnnxOutputsRecorder('/layer4/layer4.1/relu/Relu_output_0').initialize(teacher);
 * recorder.record(() => teacher.forward(images));
 * const map = recorder.getRecordData(); // (N, 512, 7, 7)
 * ```
 */
export class OnnxOutputsRecorder extends Recorder {
  /** What it may be told, in configs as in code. */
  static readonly schema = z.strictObject({
    source: z
      .string()
      .min(1)
      .describe("The name of a value in the file's graph, such as '/layer3/relu/Relu_output_0'."),
  });
  readonly #source: string;
  #network: NamedValues | undefined;
  #name = '';

  /** @throws {RetortError} for a source that is no name. */
  constructor(source: string) {
    checkOptions(OnnxOutputsRecorder.schema, { source }, new.target.name);
    super(source, `OnnxOutputsRecorder(${JSON.stringify(source)})`);
    this.#source = source;
  }

  protected override prepare(model: Module | undefined): void {
    if (model === undefined) {
      throw new RetortError(`${this.label}.initialize: model: expected the model that has the source, got nothing`, {
        code: 'invalid-state',
        help: 'call initialize(model)',
      });
    }
    [this.#network, this.#name] = this.#find(model);
  }

  #find(model: Module): [NamedValues, string] {
    const named = [...model.namedModules()];
    const networks = named.filter((one): one is [string, NamedValues] => hasNamedValues(one[1]));
    if (networks.length === 0) {
      throw new RetortError(`${this.label}: ${model.constructor.name} has no ONNX network`, {
        code: 'mismatch',
        help: 'outputs of modules are recorded with ModuleOutputs',
      });
    }
    for (const [path, network] of networks) {
      const prefix = `${path}:`;
      const own = this.#source.startsWith(prefix) ? this.#source.slice(prefix.length) : this.#source;
      if (own === this.#source && networks.length > 1) continue;
      if (network.valueNames.includes(own)) return [network, own];
      if (networks.length > 1) throw unknown(this.label, own, network.valueNames);
    }
    if (networks.length === 1) throw unknown(this.label, this.#source, networks[0]![1].valueNames);
    const paths = networks.map(([path]) => path);
    throw new RetortError(`${this.label}: there are several ONNX networks: ${paths.join(', ')}`, {
      code: 'mismatch',
      help: `say which: "${paths[0]}:${this.#source}"`,
    });
  }

  /** @internal */
  override get targets(): readonly Module[] {
    return this.#network === undefined ? [] : [this.#network];
  }

  protected override attach(begin: () => Call): Disposable {
    return this.#network!.watchValue(this.#name, (value) => {
      const call = begin();
      call.take(value);
      call.done();
    });
  }
}

function unknown(asker: string, name: string, names: readonly string[]): RetortError {
  const ends = names.filter((one) => one.endsWith(`/${name}`) || one.startsWith(`/${name.replaceAll('.', '/')}/`));
  const meant = [...new Set([...ends, ...nearest(name, names)])].slice(0, 3);
  const help =
    meant.length > 0
      ? `did you mean ${meant.map((one) => `"${one}"`).join(' or ')}?`
      : `\`retort inspect\` lists the ${names.length} names of the file; the last are ${names
          .slice(-3)
          .map((one) => `"${one}"`)
          .join(', ')}`;
  return new RetortError(`${asker}: the file has no value "${name}"`, { code: 'unknown-name', help });
}

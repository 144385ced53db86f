// Convolutions and norms from configs, under the names that state dicts have.
import { buildNorm, ConvModule, putNorm } from '../../nn/index.ts';
import type { Conv2d, Conv2dOptions, ConvConfig, Layer, Module, NormConfig } from '../../nn/index.ts';

export type ConvGeometry = Pick<Conv2dOptions, 'kernelSize' | 'stride' | 'dilation' | 'groups'> & { padding?: number };

/** A convolution without bias, as `convCfg` asks for it. */
export function plainConv(
  channels: readonly [inChannels: number, outChannels: number],
  geometry: ConvGeometry,
  convCfg: ConvConfig | null = null,
): Conv2d {
  return new ConvModule(...channels, { ...geometry, convCfg, actCfg: null, bias: false }).conv;
}

/** Adds the norm of a config to a module, named by its kind and a number: `bn1`, `gn1`. Returns it. @throws {RetortError} for a name that is taken. */
export function addNorm(owner: Module, normCfg: NormConfig, channels: number, number: number): Layer {
  const { name, layer } = buildNorm(normCfg, channels);
  putNorm(owner, `${name}${number}`, layer);
  return layer;
}

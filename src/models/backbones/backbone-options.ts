// The options that all convolutional backbones share.
import { didYouMean, RetortError } from '../../errors.ts';
import type { ConvConfig, InitOption, NormConfig } from '../../nn/index.ts';
import { convCfg, flag, index, initCfg, normCfg } from '../schema.ts';

/** Options that backbones share. */
export interface BackboneOptions {
  /** How many stages are not trained and stay in evaluation mode; 0 freezes the stem alone, -1 nothing. Default -1. */
  frozenStages?: number;
  /** `{ type: 'Conv2d' }` or `{ type: 'Conv2dAdaptivePadding' }`; `paddingMode` may stand beside it. Default null: plain convolutions. */
  convCfg?: ConvConfig | null;
  /** `BN`, `SyncBN`, `GN` with its options. Default `{ type: 'BN' }`. */
  normCfg?: NormConfig;
  /** Keep batch norms in evaluation mode while training. Default false. */
  normEval?: boolean;
  /** Taken for OpenMMLab's configs and without effect: it trades time for memory and changes no result. */
  withCp?: boolean;
  /** Initial weights, in place of the network's own way. */
  initCfg?: InitOption;
}

/** The schema of {@link BackboneOptions}. */
export const backboneOptions = {
  frozenStages: index.exactOptional(),
  convCfg: convCfg.exactOptional(),
  normCfg: normCfg.exactOptional(),
  normEval: flag.exactOptional(),
  withCp: flag.exactOptional(),
  initCfg: initCfg.exactOptional(),
};

/**
 * The sizes of a network by the name that `arch` gives.
 * @param given the name as it was written, for the error. Default: `name`
 * @throws {RetortError} for an unknown name, with the nearest one.
 */
export function archNamed<T>(backbone: string, archs: Readonly<Record<string, T>>, name: string, given = name): T {
  if (Object.hasOwn(archs, name)) return archs[name]!;
  throw new RetortError(`${backbone}: unknown arch "${given}"; ${didYouMean(given, Object.keys(archs))}`, {
    code: 'unknown-name',
  });
}

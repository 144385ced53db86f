// The connectors that configs can name.
import { RetortError } from '../../errors.ts';
import { Module, Sequential } from '../../nn/index.ts';
import type { Layer } from '../../nn/index.ts';
import { Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { byotConnector } from './byot-connector.ts';
import type { Connector } from './connector.ts';
import { convModuleConnector } from './conv-module-connector.ts';
import { crdConnector } from './crd-connector.ts';
import { fbkdStudentConnector } from './fbkd-student-connector.ts';
import { fbkdTeacherConnector } from './fbkd-teacher-connector.ts';
import { layerConnector } from './layer-connector.ts';
import { mgdConnector } from './mgd-connector.ts';
import { normConnector } from './norm-connector.ts';
import { ofdTeacherConnector } from './ofd-teacher-connector.ts';
import { paraphraser } from './paraphraser.ts';
import { torchFunctionalConnector } from './torch-functional-connector.ts';
import { torchNNConnector } from './torch-nn-connector.ts';
import { translator } from './translator.ts';

const table = {
  BYOTConnector: byotConnector,
  ConvModuleConnector: convModuleConnector,
  CRDConnector: crdConnector,
  FBKDStudentConnector: fbkdStudentConnector,
  FBKDTeacherConnector: fbkdTeacherConnector,
  LayerConnector: layerConnector,
  MGDConnector: mgdConnector,
  NormConnector: normConnector,
  OFDTeacherConnector: ofdTeacherConnector,
  Paraphraser: paraphraser,
  TorchFunctionalConnector: torchFunctionalConnector,
  TorchNNConnector: torchNNConnector,
  Translator: translator,
};

/** The connectors that configs can name, each with the schema of its options. */
export const connectors = new Registry<Connector, typeof table>('connector', table);

/** What stands for a connector: `{ type, ...options }`, a module that is built already, or a list of them: a sequence. */
export type ConnectorConfig = TypedConfig | Module | readonly (TypedConfig | Module)[];

/**
 * A connector from `{ type: 'ConvModuleConnector', inChannels: 16, outChannels: 64 }`; a module is taken as it is, a list is a
 * {@link Sequential}.
 * @param where names the location in the config, for errors. Default: `connector`.
 * @throws {RetortError} for unknown types (with the nearest names) and wrong options (all at once).
 */
export function buildConnector(config: ConnectorConfig, where = 'connector'): Module {
  if (!Array.isArray(config)) return buildOne(config as TypedConfig | Module, where);
  const items = config as readonly (TypedConfig | Module)[];
  if (items.length === 0) {
    throw new RetortError(`${where}: expected at least one connector in the list, got none`, {
      help: 'leave the connector out of the mapping',
    });
  }
  return new Sequential(...items.map((one, i) => buildOne(one, `${where}[${i}]`) as Layer));
}

function buildOne(config: TypedConfig | Module, where: string): Module {
  if (config instanceof Module) return config;
  try {
    return connectors.build(config, where);
  } catch (error) {
    if (error instanceof RetortError && !error.message.startsWith(where)) error.locate(`${where} ${config.type}`);
    throw error;
  }
}

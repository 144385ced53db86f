// The distillers that configs can name.
import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { BYOTDistiller } from './byot-distiller.ts';
import { ConfigurableDistiller } from './configurable-distiller.ts';
import { distillerSchema } from './distiller-schema.ts';
import { OFDDistiller } from './ofd-distiller.ts';

const table = {
  ConfigurableDistiller: entry(distillerSchema, (checked) => ConfigurableDistiller.fromOptions(checked), {
    summary: 'Recorders, connectors, losses and mappings from the config.',
  }),
  BYOTDistiller: entry(distillerSchema, (checked) => BYOTDistiller.fromOptions(checked), {
    summary: 'The same, with teacher records that are constants: a network that teaches itself.',
    paper: 'Zhang et al. 2019, arXiv 1905.08094',
  }),
  OFDDistiller: entry(distillerSchema, (checked) => OFDDistiller.fromOptions(checked), {
    summary: 'The same, with margins of the teacher features from its batch norms.',
    paper: 'Heo et al. 2019, arXiv 1904.01866',
  }),
};

/** The distillers that configs can name, each with the schema of its options. */
export const distillers = new Registry<ConfigurableDistiller, typeof table>('distiller', table);

/** A distiller from `{ type: 'ConfigurableDistiller', ... }`; one that is built already is taken as it is. */
export function buildDistiller(config: TypedConfig | ConfigurableDistiller, where?: string): ConfigurableDistiller {
  return config instanceof ConfigurableDistiller ? config : distillers.build(config, where);
}

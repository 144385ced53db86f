// The recorders that configs can name: `type` is the class's name without "Recorder".
import { z } from 'zod';

import { entry, Registry } from '../../registry/index.ts';
import type { TypedConfig } from '../../registry/index.ts';
import { ModuleOutputsRecorder } from './module-outputs.ts';
import { Recorder } from './recorder.ts';

const options = z.strictObject({ source: z.string() });

export const recorders = new Registry<Recorder>('recorder', {
  ModuleOutputs: entry(options, ({ source }) => new ModuleOutputsRecorder(source), {
    summary: 'What a module returns.',
  }),
});

/** A recorder from `{ type: 'ModuleOutputs', source: 'conv1' }`; one that is built already is taken as it is. */
export function buildRecorder(config: TypedConfig | Recorder, where?: string): Recorder {
  return config instanceof Recorder ? config : recorders.build(config, where);
}

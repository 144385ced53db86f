// Settings of OpenMMLab's runner that have no meaning here, each with the reason; and the ones that cannot be taken over.
import type { Context } from './context.ts';
import type { Fields } from './fields.ts';
import type { Place } from './place.ts';

const reasons: Readonly<Record<string, readonly string[]>> = {
  'one process trains': [
    'find_unused_parameters',
    'model_wrapper_cfg',
    'launcher',
    'env_cfg',
    'sync_bn',
    'cfg',
    'broadcast_buffers',
    'detect_anomalous_params',
  ],
  'the log is on the terminal and in the work dir': [
    'log_level',
    'log_processor',
    'vis_backends',
    'visualizer',
    'experiment_name',
  ],
  'the command line says it: --work-dir': ['work_dir'],
  'tests are run as validation is': ['test_cfg', 'tta_model', 'tta_pipeline', 'tta_cfg'],
  'runs are resumed from their folder: --resume': ['auto_resume'],
  'the command line says it': ['local_rank', 'gpu_ids', 'device'],
};

export function dropRuntime({ findings }: Context, fields: Fields): void {
  for (const [why, keys] of Object.entries(reasons)) {
    for (const key of keys) {
      const found = fields.get(key);
      if (found !== undefined && says(found)) findings.note(found, why);
    }
  }
  const resume = fields.get('resume');
  if (resume !== undefined && resume.node.value !== false) findings.note(resume, 'the command line says it: --resume');
  const imports = fields.get('custom_imports');
  if (imports !== undefined) {
    findings.mistake(
      imports,
      'this would run Python; write what it adds in TypeScript, and name the file in `imports`',
    );
  }
}

/** An empty dict or list says nothing. */
function says({ node }: Place): boolean {
  if (node.kind === 'dict') return node.value.size > 0;
  return node.kind === 'list' || node.kind === 'tuple' ? node.value.length > 0 : true;
}

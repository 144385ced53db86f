// The configs of the tutorial that users of the original know, as they stand there.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, expect, it } from 'vitest';

import { nodeAt, toPlain } from '../../config/tree/index.ts';
import { kd } from '../openmmlab.contract.ts';
import { packageFolders, readPythonConfig } from './index.ts';
import type { PythonConfig } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'retort-walkthrough-'));
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string, packages: Record<string, string> = {}): PythonConfig {
  for (const [name, content] of Object.entries({ ...packages, 'kd.py': text })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return readPythonConfig(join(folder, 'kd.py'), { resolvePackage: packageFolders({ mmcls: join(folder, 'mmcls') }) });
}

it('W4: a configurable distiller', () => {
  const { tree } = read(`
distill_losses = dict(loss_neck=dict(type='L2Loss', loss_weight=5))
student_recorders = dict(feat=dict(type='ModuleOutputs', source='neck.gap'))
teacher_recorders = dict(feat=dict(type='ModuleOutputs', source='neck.gap'))
loss_forward_mappings = dict(
    loss_neck=dict(
        s_feature=dict(from_recorder='feat', from_student=True, connector='loss_neck_sfeat'),
        t_feature=dict(from_recorder='feat', from_student=False, connector='loss_neck_tfeat')))
`);
  const feat = { type: 'ModuleOutputs', source: 'neck.gap' };
  expect(toPlain(tree)).toEqual({
    distill_losses: { loss_neck: { type: 'L2Loss', loss_weight: 5 } },
    student_recorders: { feat },
    teacher_recorders: { feat },
    loss_forward_mappings: {
      loss_neck: {
        s_feature: { from_recorder: 'feat', from_student: true, connector: 'loss_neck_sfeat' },
        t_feature: { from_recorder: 'feat', from_student: false, connector: 'loss_neck_tfeat' },
      },
    },
  });
});

it('W5: knowledge distillation over the bases of another package', () => {
  const { tree, files } = read(kd, {
    'mmcls/_base_/datasets/imagenet_bs32.py':
      "dataset_type = 'ImageNet'\ntrain = dict(dataset=dict(type=dataset_type), batch_size=32)",
    'mmcls/_base_/schedules/imagenet_bs256.py': 'val_cfg = dict()\noptim = dict(lr=0.1, weight_decay=1e-4)',
    'mmcls/_base_/default_runtime.py': "default_scope = 'mmcls'\nresume = False",
  });
  expect(files).toHaveLength(4);
  expect(toPlain(tree)).toMatchObject({
    train: { dataset: { type: 'ImageNet', _scope_: 'mmcls' }, batch_size: 32 },
    val_cfg: { type: 'mmrazor.SingleTeacherDistillValLoop' },
    model: { teacher: { pretrained: true }, distiller: { distill_losses: { loss_kl: { tau: 1, loss_weight: 3 } } } },
    find_unused_parameters: true,
    default_scope: 'mmcls',
  });
  expect(nodeAt(tree, ['val_cfg', '_delete_'])).toBeUndefined();
  expect(nodeAt(tree, ['model', 'distiller', 'distill_losses', 'loss_kl', 'tau'])?.kind).toBe('int');
  expect(nodeAt(tree, ['optim', 'lr'])).toMatchObject({ kind: 'float', origin: { line: 2, column: 17 } });
});

it('W6: connectors under both spellings', () => {
  const { tree } = read(`
norm = dict(type='BN')
connectors = dict(
    loss_1_sfeat=dict(type='ConvModuleConncetor', in_channel=32, out_channel=64, norm_cfg=norm, act_cfg=None),
    loss_1_tfeat=dict(type='OFDTeacherConnector'))
distill_losses = dict(
    loss_1=dict(type='OFDLoss', loss_weight=0.25),
    loss_3=dict(type='OFDLoss', loss_weight=1.0))
`);
  expect(nodeAt(tree, ['connectors', 'loss_1_sfeat'])?.kind).toBe('dict');
  expect(nodeAt(tree, ['connectors', 'loss_1_sfeat', 'act_cfg'])?.kind).toBe('none');
  expect(nodeAt(tree, ['distill_losses', 'loss_3', 'loss_weight'])).toMatchObject({ kind: 'float', value: 1 });
});

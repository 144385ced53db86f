import { expect, it } from 'vitest';

import { requireClean } from '../index.ts';
import type { OpenMMLabConfig } from '../index.ts';
import { at, net, readText, said } from '../openmmlab.contract.ts';

/** A distiller, in an algorithm. */
function read(distiller: string, algorithm = 'SingleTeacherDistill'): OpenMMLabConfig {
  return readText(
    `${net}model = dict(_scope_='mmrazor', type='${algorithm}', architecture=net, teacher=net,\ndistiller=${distiller})`,
  );
}

it('W4: names of options become ours, names that users give stay', () => {
  const config = read(`dict(
    type='ConfigurableDistiller',
    distill_losses=dict(loss_neck=dict(type='L2Loss', loss_weight=5)),
    student_recorders=dict(feat=dict(type='ModuleOutputs', source='neck.gap')),
    teacher_recorders=dict(feat=dict(type='ModuleOutputs', source='neck.gap')),
    connectors=dict(
        loss_neck_sfeat=dict(type='TorchNNConnector', module_name='AvgPool2d', module_args=dict(kernel_size=1)),
        loss_neck_tfeat=[dict(type='NormConnector', in_channels=512, norm_cfg=dict(type='BN', affine=False))]),
    loss_forward_mappings=dict(
        loss_neck=dict(
            s_feature=dict(from_recorder='feat', from_student=True, connector='loss_neck_sfeat'),
            t_feature=dict(recorder='feat', from_student=False, connector_name='loss_neck_tfeat', data_idx=None))))`);
  requireClean('W4', config);
  const feat = { type: 'ModuleOutputs', source: 'neck.gap' };
  expect(at(config, 'model.distiller')).toEqual({
    type: 'ConfigurableDistiller',
    distillLosses: { loss_neck: { type: 'L2Loss', lossWeight: 5 } },
    studentRecorders: { feat },
    teacherRecorders: { feat },
    connectors: {
      loss_neck_sfeat: { type: 'TorchNNConnector', moduleName: 'AvgPool2d', moduleArgs: { kernelSize: 1 } },
      loss_neck_tfeat: [{ type: 'NormConnector', inChannels: 512, normCfg: { type: 'BN', affine: false } }],
    },
    lossForwardMappings: {
      loss_neck: {
        sFeature: { recorder: 'feat', fromStudent: true, connector: 'loss_neck_sfeat' },
        tFeature: { recorder: 'feat', fromStudent: false, connector: 'loss_neck_tfeat' },
      },
    },
  });
});

it('W6: the connectors of OFD, under the tutorial’s spelling', () => {
  const text = (i: number, from: number, to: number): string => `
    loss_${i}_sfeat=dict(type='ConvModuleConncetor', in_channel=${from}, out_channel=${to}, norm_cfg=dict(type='BN'), act_cfg=None),
    loss_${i}_tfeat=dict(type='OFDTeacherConnector'),`;
  const bn = "bb_1=dict(type='ModuleOutputs', source='backbone.layer2.0.bn1')";
  const config = read(
    `dict(type='OFDDistiller', student_recorders=dict(${bn}), teacher_recorders=dict(${bn}),
    connectors=dict(${text(1, 32, 64)}${text(2, 64, 128)}${text(3, 128, 256)}),
    distill_losses=dict(loss_1=dict(type='OFDLoss', loss_weight=0.25)),
    loss_forward_mappings=dict(loss_1=dict(
        s_feature=dict(from_student=True, recorder='bb_1', connector='loss_1_sfeat'),
        t_feature=dict(from_student=False, recorder='bb_1', connector='loss_1_tfeat'))))`,
    'OverhaulFeatureDistillation',
  );
  requireClean('W6', config);
  expect(at(config, 'model.type')).toBe('OverhaulFeatureDistillation');
  expect(at(config, 'model.distiller.connectors.loss_2_sfeat')).toEqual({
    type: 'ConvModuleConnector',
    inChannels: 64,
    outChannels: 128,
    normCfg: { type: 'BN' },
    actCfg: null,
  });
  expect(at(config, 'model.distiller.connectors.loss_3_tfeat')).toEqual({ type: 'OFDTeacherConnector' });
});

it('W3: deliveries keep their addresses, under our name of the option', () => {
  const path = 'mmdet.models.dense_heads.paa_head.PAAHead.paa_reassign';
  const config = read(`dict(type='ConfigurableDistiller', distill_deliveries=dict(
    reassign=dict(type='MethodOutputs', max_keep_data=100, method_path='${path}'),
    mix=dict(type='FunctionOutputs', max_keep_data=1, func_path='pkg.mod.mixup')))`);
  requireClean('W3', config);
  expect(at(config, 'model.distiller.distillDeliveries')).toEqual({
    reassign: { type: 'MethodOutputs', maxKeepData: 100, source: path },
    mix: { type: 'FunctionOutputs', maxKeepData: 1, source: 'pkg.mod.mixup' },
  });
});

it('options that are called otherwise here, and older ones that say the same', () => {
  const l1 = (options: string): unknown => {
    const config = read(`dict(type='ConfigurableDistiller', distill_losses=dict(l1=dict(type='L1Loss', ${options})),
      loss_forward_mappings=dict(l1=dict()))`);
    requireClean('L1', config);
    return at(config, 'model.distiller.distillLosses.l1');
  };
  expect(l1("reduction='sum'")).toEqual({ type: 'L1Loss', reduction: 'sum' });
  expect(l1("reduction='none', size_average=False")).toEqual({ type: 'L1Loss', reduction: 'sum' });
  expect(l1("reduction='sum', size_average=True, reduce=None")).toEqual({ type: 'L1Loss', reduction: 'mean' });
  expect(l1("reduction='none', reduce=True")).toEqual({ type: 'L1Loss', reduction: 'mean' });
  expect(l1('size_average=False, reduce=False')).toEqual({ type: 'L1Loss', reduction: 'none' });
  expect(l1('size_average=None, reduce=None')).toEqual({ type: 'L1Loss' });
  const others = read(`dict(type='ConfigurableDistiller',
    distill_losses=dict(a=dict(type='FBKDLoss', nonloacl_weight=3), b=dict(type='FBKDLoss', nonlocal_weight=3),
      c=dict(type='FBKDLoss', nonloacl_weight=3, nonlocal_weight=2), d=dict(type='L1Loss', reduce=1)),
    loss_forward_mappings=dict(a=dict(), b=dict(), c=dict(), d=dict()))`);
  expect(at(others, 'model.distiller.distillLosses.a')).toEqual({ type: 'FBKDLoss', nonlocalWeight: 3 });
  expect(at(others, 'model.distiller.distillLosses.b')).toEqual({ type: 'FBKDLoss', nonlocalWeight: 3 });
  expect(others.mistakes.map(({ text }) => text)).toEqual([
    '"nonloacl_weight" and "nonlocal_weight" are one option of FBKDLoss',
    'expected True or False',
  ]);
});

it('names that do not exist are mistakes with their line and the nearest name', () => {
  const config = read(`dict(
    type='ConfigurableDistiller',
    student_recorders=dict(fc=dict(type='ModuleOutputs', sorce='head.fc')),
    teacher_recorders=dict(feat=dict(type='ModuleOutputs', source='neck')),
    distill_losses=dict(
        loss_kl=dict(type='KLDivergence', tau='4', los_weight=3),
        loss_x=dict(type='KLDivergance')),
    loss_forward_mappings=dict(
        loss_kl=dict(
            preds_S=dict(from_student=True, recorder='fcc', record_id=1),
            preds_T=dict(from_student=False, recorder='feat', connector='no')),
        loss_y=dict()))`);
  expect(said(config.mistakes).toSorted()).toEqual([
    'config.py:10: model.distiller.student_recorders.fc.sorce: unknown option "sorce" of ModuleOutputs; did you mean "source"?',
    expect.stringMatching(
      /^config\.py:10: model\.distiller\.student_recorders\.fc: ModuleOutputs source: .*, got nothing$/,
    ),
    'config.py:13: model.distiller.distill_losses.loss_kl.los_weight: unknown option "los_weight" of KLDivergence; did you mean "loss_weight"?',
    expect.stringMatching(/^config\.py:13: .*loss_kl: KLDivergence tau: expected number.*, got "4"$/),
    'config.py:17: model.distiller.loss_forward_mappings.loss_kl.preds_S.record_id: unknown option "record_id" of an argument of a loss; did you mean "record_idx" or "recorder"?',
    'config.py:17: model.distiller.loss_forward_mappings.loss_kl.preds_S.recorder: unknown recorder of student_recorders "fcc"; did you mean "fc"?',
    'config.py:18: model.distiller.loss_forward_mappings.loss_kl.preds_T.connector: unknown connector "no"; there are none',
    'config.py:19: model.distiller.loss_forward_mappings.loss_y: unknown loss "loss_y"; did you mean "loss_x" or "loss_kl"?',
  ]);
  // loss_x has no mapping: MMRazor would not look at it at all.
  expect(said(config.notes)).toContainEqual(expect.stringMatching(/^config\.py:14: .*loss_x: left out: .*no mapping/));
});

const labels = `
    type='BYOTDistiller',
    student_recorders=dict(fc=dict(type='ModuleOutputs', source='head.fc')),
    teacher_recorders=dict(gt=dict(type='ModuleInputs', source='head.loss_module')),`;

it('MMClassification’s loss of labels is not MMRazor’s loss of the same name', () => {
  const config = read(
    `dict(${labels}
    distill_losses=dict(
        loss_label=dict(type='mmcls.CrossEntropyLoss', loss_weight=0.7),
        loss_wsld=dict(type='WSLD')),
    loss_forward_mappings=dict(
        loss_label=dict(
            cls_score=dict(recorder='fc', from_student=True),
            label=dict(recorder='gt', from_student=False, data_idx=1)),
        loss_wsld=dict(
            student=dict(recorder='fc', from_student=True),
            teacher=dict(recorder='fc', from_student=True),
            gt_labels=dict(recorder='gt', from_student=False, data_idx=1))))`,
    'SelfDistill',
  );
  expect(said(config.mistakes)).toEqual([expect.stringMatching(/unknown option "teacher" of SelfDistill/)]);
  expect(at(config, 'model.distiller.distillLosses.loss_label')).toEqual({
    type: 'LabelCrossEntropyLoss',
    lossWeight: 0.7,
  });
  expect(at(config, 'model.distiller.lossForwardMappings')).toEqual({
    loss_label: {
      predsS: { recorder: 'fc', fromStudent: true },
      gtLabels: { recorder: 'gt', fromStudent: false, dataIdx: 1 },
    },
    loss_wsld: {
      student: { recorder: 'fc', fromStudent: true },
      teacher: { recorder: 'fc', fromStudent: true },
      gtLabels: { recorder: 'gt', fromStudent: false, dataIdx: 1 },
    },
  });
});

it('losses of other packages are not taken for ours', () => {
  const config = read(`dict(type='ConfigurableDistiller', distill_losses=dict(
    loss_a=dict(type='mmcls.LabelSmoothLoss'), loss_b=dict(type='mmdet.L1Loss'), loss_c=dict(type='mmrazor.L1Loss')))`);
  expect(config.unknown.map(({ name }) => name)).toEqual(['mmcls.LabelSmoothLoss', 'mmdet.L1Loss']);
  expect(at(config, 'model.distiller.distillLosses.loss_c')).toEqual({ type: 'L1Loss' });
});

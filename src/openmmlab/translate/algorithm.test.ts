import { expect, it } from 'vitest';

import { requireClean } from '../index.ts';
import { at, net, readText, said } from '../openmmlab.contract.ts';

const kl = `dict(
    type='ConfigurableDistiller',
    student_recorders=dict(fc=dict(type='ModuleOutputs', source='head.fc')),
    teacher_recorders=dict(fc=dict(type='ModuleOutputs', source='head.fc')),
    connectors=dict(
        one=dict(type='CRDConnector', dim_in=8, dim_out=4, init_cfg=dict(type='Constant', val=1, layer='Linear')),
        two=[dict(type='Translator', in_channel=8, out_channel=4), dict(type='OFDTeacherConnector')]),
    distill_losses=dict(loss_kl=dict(type='KLDivergence')),
    loss_forward_mappings=dict(loss_kl=dict(
        preds_S=dict(from_student=True, recorder='fc'), preds_T=dict(from_student=False, recorder='fc'))))`;

const single = (more: string): string =>
  `${net}model = dict(_scope_='mmrazor', type='SingleTeacherDistill', architecture=net, teacher=net, distiller=${kl}, ${more})`;

it('options of algorithms', () => {
  const config = readText(
    single("teacher_ckpt='r34.pth', teacher_trainable=False, teacher_norm_eval=True, calculate_student_loss=False"),
  );
  requireClean('single', config);
  expect(at(config, 'model')).toMatchObject({
    teacherCkpt: 'r34.pth',
    teacherTrainable: false,
    teacherNormEval: true,
    calculateStudentLoss: false,
    compat: 'mmrazor',
  });
  expect(at(readText(single('teacher_ckpt=None')), 'model.teacherCkpt')).toBe(null);
});

it('a checkpoint of the whole algorithm gives every part its share', () => {
  const config = readText(single("teacher_ckpt='t.pth', init_cfg=dict(type='Pretrained', checkpoint='stage-1.pth')"));
  requireClean('init', config);
  const share = (prefix: string): object => ({ type: 'Pretrained', checkpoint: 'stage-1.pth', prefix });
  expect(at(config, 'model.architecture.initCfg')).toEqual(share('architecture.'));
  expect(at(config, 'model.teacher.initCfg')).toEqual(share('teacher.'));
  expect(at(config, 'model.teacherCkpt')).toBeUndefined();
  expect(at(config, 'model.distiller.connectors')).toEqual({
    one: { type: 'CRDConnector', dimIn: 8, dimOut: 4, initCfg: share('distiller.connectors.one.') },
    two: [
      { type: 'Translator', inChannels: 8, outChannels: 4, initCfg: share('distiller.connectors.two.0.') },
      { type: 'OFDTeacherConnector' },
    ],
  });
  expect(said(config.notes)).toContainEqual(expect.stringMatching(/model\.teacher_ckpt: left out/));
  const loaded = readText(`${single('')}\nload_from = 'whole.pth'`);
  expect(at(loaded, 'model.teacher.initCfg')).toMatchObject({ checkpoint: 'whole.pth', prefix: 'teacher.' });
  const drawn = readText(single("init_cfg=dict(type='Normal', layer='Conv2d')"));
  expect(said(drawn.mistakes)).toEqual([
    expect.stringMatching(/model\.init_cfg: an algorithm begins with the weights/),
  ]);
});

it('initial weights of parts; nothing is downloaded', () => {
  const config = readText(`${net}
net.head.init_cfg = dict(type='Pretrained', checkpoint='https://example.org/a.pth', prefix='head')
net.init_cfg = [dict(type='TruncNormal', layer='Linear', std=.02), dict(type='Kaiming', override=dict(name='fc', bias_prob=.1))]
model = net`);
  requireClean('init', config);
  expect(at(config, 'model.architecture.head.initCfg')).toMatchObject({ type: 'Pretrained', prefix: 'head.' });
  expect(at(config, 'model.architecture.initCfg.1')).toEqual({
    type: 'Kaiming',
    override: { name: 'fc', biasProb: 0.1 },
  });
  expect(said(config.notes)).toContainEqual(expect.stringMatching(/checkpoint: weights are not downloaded/));
});

it('a network by itself is trained on labels', () => {
  const config = readText(`${net}model = net`);
  requireClean('net', config);
  expect(at(config, 'model.type')).toBe('Supervised');
  expect(at(config, 'model.architecture.backbone')).toEqual({ type: 'ResNet_CIFAR', depth: 18 });
});

it('heads of one name: MMClassification’s averages, MMRazor’s does not', () => {
  const config = readText(`
backbone = dict(type='DistilledVisionTransformer', arch='deit-base')
head = dict(num_classes=10, in_channels=768)
model = dict(
    type='mmrazor.SingleTeacherDistill',
    architecture=dict(type='mmcls.ImageClassifier', backbone=backbone, head=dict(type='mmrazor.DeiTClsHead', num_classes=10, in_channels=768)),
    teacher=dict(_scope_='mmcls', type='ImageClassifier', backbone=backbone, head=dict(type='DeiTClsHead', num_classes=10, in_channels=768)),
    distiller=dict(type='ConfigurableDistiller'))`);
  requireClean('heads', config);
  const head = { type: 'DeiTClsHead', numClasses: 10, inChannels: 768 };
  expect(at(config, 'model.architecture.head')).toEqual(head);
  expect(at(config, 'model.teacher.head')).toEqual({ ...head, average: true });
});

it('data-free: several teachers, a generator, two distillers, optimizers by part', () => {
  const config = readText(`${net}
teacher_recorders = dict(fc=dict(type='ModuleOutputs', source='res34.head.fc'))
model = dict(
    _scope_='mmrazor',
    type='DAFLDataFreeDistillation',
    teachers=dict(res34=dict(build_cfg=net, ckpt_path='r34.pth')),
    architecture=net,
    generator=dict(type='DAFLGenerator', img_size=32, latent_dim=1000, hidden_channels=128),
    distiller=${kl},
    generator_distiller=dict(
        type='ConfigurableDistiller',
        teacher_recorders=teacher_recorders,
        distill_losses=dict(loss_oh=dict(type='OnehotLikeLoss', loss_weight=0.05)),
        loss_forward_mappings=dict(loss_oh=dict(preds_T=dict(from_student=False, recorder='fc')))))
optim_wrapper = dict(
    constructor='mmrazor.SeparateOptimWrapperConstructor',
    architecture=dict(optimizer=dict(type='AdamW', lr=1e-1)),
    generator=dict(optimizer=dict(type='AdamW', lr=1e-3)))
param_scheduler = dict(
    architecture=[
        dict(type='LinearLR', end=500, by_epoch=False, start_factor=0.0001),
        dict(type='MultiStepLR', begin=500, milestones=[100 * 120, 200 * 120], by_epoch=False)],
    generator=dict(type='LinearLR', end=500, by_epoch=False, start_factor=0.0001))
train_dataloader = dict(batch_size=256, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='mmcls.CIFAR10', data_prefix='data/cifar10', test_mode=False, pipeline=[]))
train_cfg = dict(by_epoch=False, max_iters=250 * 120, val_interval=150)
val_cfg = dict()
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=150, max_keep_ckpts=2))
`);
  requireClean('dafl', config);
  expect(at(config, 'model')).toMatchObject({
    type: 'DAFLDataFreeDistillation',
    teachers: { res34: { buildCfg: { type: 'ImageClassifier' }, ckptPath: 'r34.pth' } },
    generator: { type: 'DAFLGenerator', imgSize: 32, latentDim: 1000, hiddenChannels: 128 },
    generatorDistiller: { distillLosses: { loss_oh: { type: 'OnehotLikeLoss', lossWeight: 0.05 } } },
  });
  expect(at(config, 'optimizer')).toEqual({
    architecture: { type: 'AdamW', lr: 0.1 },
    generator: { type: 'AdamW', lr: 0.001 },
  });
  const warmUp = { type: 'LinearLR', startFactor: 0.0001, totalIters: 499, by: 'step' };
  expect(at(config, 'schedulers')).toEqual({
    // Milestones count from the begin of their scheduler.
    architecture: [warmUp, { type: 'MultiStepLR', milestones: [12_500, 24_500], by: 'step' }],
    generator: [warmUp],
  });
  // 195 steps an epoch.
  expect([at(config, 'epochs'), at(config, 'maxSteps'), at(config, 'valInterval')]).toEqual([154, 30_000, undefined]);
  expect([at(config, 'saveInterval'), at(config, 'evaluated')]).toEqual([150, ['student']]);
  expect(at(config, 'hooks')).toEqual([{ type: 'CheckpointHook', last: 2 }]);
});

it('networks of your own, by their address', () => {
  const config = readText(`
model = dict(
    type='mmrazor.SingleTeacherDistill',
    architecture=dict(type='./my_net.ts#MyNet', feature_width=8),
    teacher='./my_net.ts#MyNet',
    distiller=dict(type='ConfigurableDistiller'))`);
  expect(said(config.mistakes).filter((text) => text.includes('model'))).toEqual([]);
  expect(at(config, 'model.architecture')).toEqual({ type: './my_net.ts#MyNet', featureWidth: 8 });
  expect(at(config, 'model.teacher')).toEqual({ type: './my_net.ts#MyNet' });
});

it('configs that are none', () => {
  const config = readText(`
model = dict(
    type='mmrazor.SingleTeacherDistill',
    architecture=dict(cfg_path='resnet18.py'),
    teacher=dict(cfg_path='mmcls::_base_/default_runtime.py'),
    distiller=[])
custom_imports = dict(imports=['my_losses'])`);
  expect(said(config.mistakes)).toEqual([
    expect.stringMatching(/^config\.py:4: model\.architecture\.cfg_path: expected the address of a config/),
    'config.py:5: model.teacher.cfg_path: mmcls::_base_/default_runtime.py has no model',
    'config.py:6: model.distiller: expected a dict, got a list',
    expect.stringMatching(/^config\.py:6: model: SingleTeacherDistill distiller: expected a distiller/),
    expect.stringMatching(/^config\.py:7: custom_imports: this would run Python/),
  ]);
});

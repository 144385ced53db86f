import { expect, it } from 'vitest';

import { requireClean } from '../index.ts';
import type { OpenMMLabConfig } from '../index.ts';
import { at, net, readText, said } from '../openmmlab.contract.ts';

function clean(text: string): OpenMMLabConfig {
  const config = readText(text);
  requireClean('config', config);
  return config;
}

it('an optimizer with all that can be said about it', () => {
  const config = clean(`
optim_wrapper = dict(
    type='AmpOptimWrapper', loss_scale='dynamic', accumulative_counts=4,
    optimizer=dict(type='AdamW', lr=5e-4 * 1024 / 512, weight_decay=0.05, eps=1e-8, betas=(0.9, 0.999), amsgrad=None),
    paramwise_cfg=dict(
        norm_decay_mult=0.0, bias_decay_mult=0.0, flat_decay_mult=0.0, bias_lr_mult=2., dwconv_decay_mult=1,
        custom_keys={'.cls_token': dict(decay_mult=0.0), 'backbone.layer_1': dict(lr_mult=0.1, decay_mult=2)}),
    clip_grad=dict(max_norm=5.0, norm_type=2))`);
  expect(at(config, 'optimizer')).toEqual({
    type: 'AdamW',
    lr: 0.001,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0.05,
    paramwise: {
      customKeys: { '.cls_token': { decayMult: 0 }, 'backbone.layer_1': { lrMult: 0.1, decayMult: 2 } },
      biasLrMult: 2,
      biasDecayMult: 0,
      normDecayMult: 0,
      flatDecayMult: 0,
    },
  });
  expect([at(config, 'accumulate'), at(config, 'maxGradNorm'), at(config, 'precision')]).toEqual([4, 5, 'bfloat16']);
  expect(said(config.notes)).toContainEqual(expect.stringMatching(/optim_wrapper\.type: mixed precision is bfloat16/));
});

it('what optimizers cannot do', () => {
  const config = readText(`
optim_wrapper = dict(
    constructor='LearningRateDecayOptimWrapperConstructor',
    optimizer=dict(type='Lamb', lr=0.1),
    paramwise_cfg=dict(dwconv_decay_mult=0, norm_deca_mult=0),
    clip_grad=dict(type='value', clip_value=1, norm_type=1))
param_scheduler = [dict(type='ReduceOnPlateauLR'), dict(type='StepLR', step_size=1, gama=0.1), dict(type='MultiStepLR', milestones=3)]`);
  expect(config.unknown.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    'optimizer constructor LearningRateDecayOptimWrapperConstructor',
    'optimizer Lamb',
    'scheduler ReduceOnPlateauLR',
  ]);
  expect(config.mistakes.map(({ path, text }) => `${path}: ${text}`).toSorted()).toEqual([
    'optim_wrapper.clip_grad.clip_value: unknown option "clip_value" of clip_grad; there are: "max_norm", "norm_type", "type", "error_if_nonfinite"',
    'optim_wrapper.clip_grad.norm_type: gradients are clipped by their 2-norm here',
    'optim_wrapper.clip_grad.type: gradients are clipped by their norm here',
    'optim_wrapper.clip_grad: max_norm is missing',
    'optim_wrapper.paramwise_cfg.dwconv_decay_mult: dwconv_decay_mult: there is no such factor here: use custom_keys',
    'optim_wrapper.paramwise_cfg.norm_deca_mult: unknown option "norm_deca_mult" of paramwise_cfg; did you mean "norm_decay_mult"?',
    'param_scheduler.1.gama: unknown option "gama" of StepLR; did you mean "gamma"?',
    'param_scheduler.2.milestones: expected a list of numbers',
  ]);
});

it.each([
  [
    "type='MultiStepLR', by_epoch=True, milestones=[30, 60], gamma=0.2",
    { type: 'MultiStepLR', milestones: [30, 60], gamma: 0.2 },
  ],
  ["type='MultiStepLR', begin=10, end=60, milestones=[30, 60]", { type: 'MultiStepLR', milestones: [40] }],
  ["type='StepLR', step_size=1, gamma=0.98", { type: 'StepLR', stepSize: 1, gamma: 0.98 }],
  ["type='StepLR', step_size=2, begin=4, end=50", { type: 'StepLR', stepSize: 2, begin: 4, end: 50 }],
  ["type='ExponentialLR', gamma=0.9, end=100", { type: 'ExponentialLR', gamma: 0.9 }],
  [
    "type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500",
    { type: 'LinearLR', startFactor: 0.001, totalIters: 499, by: 'step' },
  ],
  [
    "type='LinearLR', start_factor=0.1, end_factor=1., end=5",
    { type: 'LinearLR', startFactor: 0.1, endFactor: 1, totalIters: 4 },
  ],
  [
    "type='LinearLR', start_factor=1e-3, end=20, convert_to_iter_based=True",
    { type: 'LinearLR', startFactor: 0.001, end: 20, everyStep: true },
  ],
  ["type='CosineAnnealingLR', T_max=100, eta_min=1e-5", { type: 'CosineAnnealingLR', tMax: 100, etaMin: 1e-5 }],
  [
    "type='CosineAnnealingLR', eta_min=1e-5, begin=20",
    { type: 'CosineAnnealingLR', etaMin: 1e-5, tMax: 80, begin: 20 },
  ],
  ["type='CosineAnnealingLR', begin=20, end=60", { type: 'CosineAnnealingLR', tMax: 40, begin: 20, end: 60 }],
  [
    "type='ConstantLR', factor=0.1, by_epoch=False, begin=0, end=5000",
    { type: 'ConstantLR', factor: 0.1, totalIters: 4999, by: 'step' },
  ],
  ["type='PolyLR', eta_min=0, by_epoch=False, begin=5000", { type: 'PolynomialLR', by: 'step', begin: 5000 }],
  [
    "type='PolyLR', power=0.9, eta_min=1e-4, end=100",
    { type: 'PolynomialLR', power: 0.9, etaMin: 1e-4, totalIters: 99 },
  ],
  [
    "type='OneCycleLR', eta_max=0.4, total_steps=5000, anneal_strategy='linear', three_phase=True, by_epoch=False",
    {
      ...{ type: 'OneCycleLR', maxLr: 0.4, totalSteps: 5000, annealStrategy: 'linear', threePhase: true },
      ...{ cycleMomentum: false, by: 'step' },
    },
  ],
])('scheduler %s', (text, expected) => {
  const config = clean(
    `param_scheduler = dict(${text})\ntrain_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)`,
  );
  expect(at(config, 'schedulers')).toEqual([expected]);
});

it('how long, how often, what is evaluated', () => {
  const loop = (text: string): unknown[] => {
    const config = clean(`train_cfg = dict(${text})`);
    return [at(config, 'epochs'), at(config, 'maxSteps'), at(config, 'valInterval')];
  };
  expect(loop('by_epoch=True, max_epochs=100, val_interval=2')).toEqual([100, undefined, 2]);
  expect(loop("type='EpochBasedTrainLoop', max_epochs=12, val_interval=1")).toEqual([12, undefined, undefined]);
  expect(loop("type='IterBasedTrainLoop', max_iters=500, val_interval=50")).toEqual([500, 500, undefined]);
  const evaluated = (val: string): unknown =>
    at(
      clean(`${net}model = dict(_scope_='mmrazor', type='SingleTeacherDistill', architecture=net, teacher=net,
distiller=dict(type='ConfigurableDistiller'))\nval_cfg = dict(${val})`),
      'evaluated',
    );
  expect(evaluated("type='mmrazor.SingleTeacherDistillValLoop'")).toBeUndefined(); // all
  expect(evaluated('')).toEqual(['student']);
  const topk = clean("val_evaluator = dict(type='Accuracy', topk=(1, 5))\ntest_evaluator = val_evaluator");
  expect(at(topk, 'evaluators')).toEqual([{ type: 'Accuracy', topk: [1, 5] }]);
  expect(topk.notes).toEqual([]);
});

it('hooks', () => {
  const config = clean(`
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=75, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', interval=5, max_keep_ckpts=3, save_best='accuracy/top5', rule='greater'),
    runtime_info=None)
custom_hooks = [
    dict(type='EMAHook', momentum=4e-5, priority='ABOVE_NORMAL'),
    dict(type='mmrazor.StopDistillHook', stop_epoch=280),
    dict(type='EarlyStoppingHook', monitor='accuracy/top1', rule='greater', patience=5, min_delta=0.1)]`);
  expect(at(config, 'hooks')).toEqual([
    { type: 'LoggerHook', interval: 75 },
    { type: 'CheckpointHook', last: 3, best: 'student.top5', rule: 'max' },
    { type: 'EMAHook', momentum: 4e-5 },
    { type: 'StopDistillHook', stopEpoch: 280 },
    { type: 'EarlyStopHook', patience: 5, minDelta: 0.1, metric: 'student.accuracy', rule: 'max' },
  ]);
  const other = readText(`
custom_hooks = [
    dict(type='RazorVisualisationHook', recorders=dict()),
    dict(type='EMAHook', ema_type='StochasticWeightAverage', begin_iter=10),
    dict(type='StopDistillHook', stop_epoc=3)]
default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='bbox_mAP'))`);
  expect(other.unknown.map(({ name }) => name)).toEqual(['RazorVisualisationHook', 'StochasticWeightAverage']);
  expect(other.mistakes.map(({ path }) => path)).toEqual([
    'default_hooks.checkpoint.save_best',
    'custom_hooks.1.begin_iter',
    'custom_hooks.2.stop_epoc',
    'custom_hooks.2',
  ]);
});

it('seeds and learning rates', () => {
  const loader =
    "train_dataloader = dict(batch_size=64, dataset=dict(type='CIFAR10', data_prefix='d', test_mode=False))";
  const optim = 'optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.4))';
  const config = clean(
    `${loader}\n${optim}\nrandomness = dict(seed=7, deterministic=True)\nauto_scale_lr = dict(base_batch_size=256)`,
  );
  expect([at(config, 'seed'), at(config, 'optimizer.lr')]).toEqual([7, 0.4]);
  expect(said(config.notes)).toContainEqual(
    expect.stringMatching(/auto_scale_lr: .*batches of 256.*64: "accumulate": 4/),
  );
  const scaled = clean(`${loader}\n${optim}\nauto_scale_lr = dict(base_batch_size=256, enable=True)`);
  expect(at(scaled, 'optimizer.lr')).toBe(0.1);
  expect(at(clean('randomness = dict(seed=None, diff_rank_seed=True)'), 'seed')).toBeUndefined();
});

it('nothing is dropped silently, and a near miss is pointed out', () => {
  const config = clean(`
work_dir = 'runs/a'
resume = True
launcher = 'pytorch'
env_cfg = dict(cudnn_benchmark=False)
log_level = 'INFO'
vis_backends = []
model_wrapper_cfg = dict(type='MMDistributedDataParallel')
dataset_type = 'CIFAR10'
optim_wraper = dict()`);
  const { notes } = config;
  expect(notes.map(({ path }) => path).toSorted()).toEqual(
    ['', 'env_cfg', 'launcher', 'log_level', 'model_wrapper_cfg', 'optim_wraper', 'resume', 'work_dir'].toSorted(),
  );
  expect(notes.find(({ path }) => path === 'optim_wraper')!.text).toBe(
    'nothing reads "optim_wraper"; did you mean "optim_wrapper"?',
  );
  expect(notes.find(({ path }) => path === '')!.text).toMatch(/the config's own names.*: dataset_type$/);
});

it('iterations are batches there and updates here: numbers are divided, and that is said', () => {
  const config = clean(`
train_dataloader = dict(batch_size=64, dataset=dict(type='CIFAR10', pipeline=[]))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1001, val_interval=781)
optim_wrapper = dict(type='OptimWrapper', accumulative_counts=4, optimizer=dict(type='SGD', lr=0.1))
param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[500])
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=150))`);
  expect([at(config, 'accumulate'), at(config, 'maxSteps'), at(config, 'saveInterval')]).toEqual([4, 251, 38]);
  expect(said(config.notes).join('\n')).toMatch(/a step is one update .* divided by 4.*\n.*divide their numbers by 4/);
});

it('the hook that draws feature maps, with what it draws them by beside the rest', () => {
  const text = (options: string): string => `custom_hooks = [dict(type='mmrazor.RazorVisualizationHook', interval=2,
    recorders=dict(neck_out=dict(_scope_='mmrazor', type='ModuleOutputs', source='architecture.neck')),
    mappings=dict(p3_1=dict(recorder='neck_out', record_idx=0, data_idx=0)), ${options})]`;
  const config = clean(
    text(`enabled=True, data_idx=[0, 7], out_dir='maps', show=False, wait_time=0.1, use_norm=True,
    visualization_cfg=dict(channel_reduction=None, topk=-1, arrangement=(4, 5), resize_shape=(64, 96), alpha=0.3)`),
  );
  expect(at(config, 'hooks')).toEqual([
    {
      type: 'VisualizationHook',
      interval: 2,
      recorders: { neck_out: { type: 'ModuleOutputs', source: 'architecture.neck' } },
      mappings: { p3_1: { recorder: 'neck_out', recordIdx: 0, dataIdx: 0 } },
      ...{ enabled: true, dataIdx: [0, 7], outDir: 'maps', useNorm: true },
      ...{ channelReduction: null, topk: 0, arrangement: [4, 5], resizeShape: [64, 96], alpha: 0.3 },
    },
  ]);
  expect((at(clean(text('')), 'hooks') as { enabled: boolean }[])[0]!.enabled).toBe(false); // its default
  const wrong = readText(text("visualization_cfg=dict(channel_reduction='max', top=3)"));
  expect(wrong.mistakes.map(({ text: said }) => said)).toEqual([
    expect.stringContaining('"top" of visualization_cfg'),
    expect.stringContaining('channel_reduction'),
  ]);
});

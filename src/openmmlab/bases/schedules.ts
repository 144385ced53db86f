// MMClassification's schedules, and what its runs have in common.
import type { BuiltinConfig, BuiltinTable } from './shared.ts';

interface Schedule {
  wrapper: object;
  scheduler: object;
  epochs: number;
  /** What the learning rate is meant for. */
  batchSize: number;
}

const schedule = ({ wrapper, scheduler, epochs, batchSize }: Schedule): BuiltinConfig => ({
  values: {
    optim_wrapper: wrapper,
    param_scheduler: scheduler,
    train_cfg: { by_epoch: true, max_epochs: epochs, val_interval: 1 },
    val_cfg: {},
    test_cfg: {},
    auto_scale_lr: { base_batch_size: batchSize },
  },
});

const sgd = (lr: number, decay: number): object => ({ type: 'SGD', lr, momentum: 0.9, weight_decay: decay });
const steps = (milestones: readonly number[]): object => ({
  type: 'MultiStepLR',
  by_epoch: true,
  milestones,
  gamma: 0.1,
});
const noDecay = { decay_mult: 0 };

export const schedules: BuiltinTable = {
  '_base_/schedules/imagenet_bs256.py': schedule({
    wrapper: { optimizer: sgd(0.1, 1e-4) },
    scheduler: steps([30, 60, 90]),
    epochs: 100,
    batchSize: 256,
  }),
  '_base_/schedules/imagenet_bs256_epochstep.py': schedule({
    wrapper: { optimizer: sgd(0.045, 4e-5) },
    scheduler: { type: 'StepLR', by_epoch: true, step_size: 1, gamma: 0.98 },
    epochs: 300,
    batchSize: 256,
  }),
  '_base_/schedules/imagenet_bs1024_linearlr_bn_nowd.py': schedule({
    wrapper: { optimizer: sgd(0.5, 4e-5), paramwise_cfg: { norm_decay_mult: 0 } },
    scheduler: [
      { type: 'ConstantLR', factor: 0.1, by_epoch: false, begin: 0, end: 5000 },
      { type: 'PolyLR', eta_min: 0, by_epoch: false, begin: 5000 },
    ],
    epochs: 300,
    batchSize: 1024,
  }),
  '_base_/schedules/imagenet_bs1024_adamw_swin.py': schedule({
    wrapper: {
      optimizer: { type: 'AdamW', lr: 1e-3, weight_decay: 0.05, eps: 1e-8, betas: [0.9, 0.999] },
      paramwise_cfg: {
        norm_decay_mult: 0,
        bias_decay_mult: 0,
        flat_decay_mult: 0,
        custom_keys: { '.absolute_pos_embed': noDecay, '.relative_position_bias_table': noDecay },
      },
    },
    scheduler: [
      { type: 'LinearLR', start_factor: 1e-3, by_epoch: true, end: 20, convert_to_iter_based: true },
      { type: 'CosineAnnealingLR', eta_min: 1e-5, by_epoch: true, begin: 20 },
    ],
    epochs: 300,
    batchSize: 1024,
  }),
  '_base_/schedules/cifar10_bs128.py': schedule({
    wrapper: { optimizer: sgd(0.1, 1e-4) },
    scheduler: steps([100, 150]),
    epochs: 200,
    batchSize: 128,
  }),
};

export const runtime: BuiltinTable = {
  '_base_/default_runtime.py': {
    values: {
      default_scope: 'mmcls',
      default_hooks: {
        timer: { type: 'IterTimerHook' },
        logger: { type: 'LoggerHook', interval: 100 },
        param_scheduler: { type: 'ParamSchedulerHook' },
        checkpoint: { type: 'CheckpointHook', interval: 1 },
        sampler_seed: { type: 'DistSamplerSeedHook' },
        visualization: { type: 'VisualizationHook', enable: false },
      },
      env_cfg: {
        cudnn_benchmark: false,
        mp_cfg: { mp_start_method: 'fork', opencv_num_threads: 0 },
        dist_cfg: { backend: 'nccl' },
      },
      vis_backends: [{ type: 'LocalVisBackend' }],
      visualizer: { type: 'ClsVisualizer', vis_backends: [{ type: 'LocalVisBackend' }] },
      log_level: 'INFO',
      load_from: null,
      resume: false,
      randomness: { seed: null, deterministic: false },
    },
  },
};

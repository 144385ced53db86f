// What the tests of the translation share: a config's text, read with all registries there are.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

import { registries } from '../runner/registries.ts';
import { nodeAt, toPlain } from '../config/tree/index.ts';
import { readOpenMMLab } from './index.ts';
import type { Finding, OpenMMLabConfig, ReadOpenMMLabOptions } from './index.ts';

export interface ReadText extends Omit<ReadOpenMMLabOptions, 'registries' | 'root' | 'packages'> {
  /** Files beside it, by their paths. */
  files?: Readonly<Record<string, string>>;
  /** Packages, by folders beside it. */
  packages?: Readonly<Record<string, string>>;
}

/** Reads a text as `config.py`. */
export function readText(text: string, { files = {}, packages = {}, ...options }: ReadText = {}): OpenMMLabConfig {
  const folder = mkdtempSync(join(tmpdir(), 'retort-openmmlab-'));
  try {
    for (const [name, content] of Object.entries({ ...files, 'config.py': text })) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const folders = Object.entries(packages).map(([name, path]) => [name, join(folder, path)] as const);
    return readOpenMMLab(join(folder, 'config.py'), {
      registries,
      root: folder,
      packages: Object.fromEntries(folders),
      ...options,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What stands at a path of the experiment, such as `model.teacher.backbone.depth`. */
export function at({ tree }: Pick<OpenMMLabConfig, 'tree'>, path: string): unknown {
  const node = nodeAt(tree, path.split('.'));
  return node && toPlain(node);
}

/** `config.py:3: path: text` */
export function said(findings: readonly Finding[]): string[] {
  return findings.map(({ path, text, origin }) => `${basename(origin.file)}:${origin.line}: ${path}: ${text}`);
}

/** A network as `net`. */
export const net = `
net = dict(
    type='mmcls.ImageClassifier',
    backbone=dict(type='mmcls.ResNet_CIFAR', depth=18),
    neck=dict(type='mmcls.GlobalAveragePooling'),
    head=dict(type='mmcls.LinearClsHead', num_classes=10, in_channels=512))
`;

/** Knowledge distillation over the bases of another package: the W5 of MMRazor's tutorial, as it stands there. */
export const kd = `
_base_ = [
    'mmcls::_base_/datasets/imagenet_bs32.py',
    'mmcls::_base_/schedules/imagenet_bs256.py',
    'mmcls::_base_/default_runtime.py'
]

model = dict(
    _scope_='mmrazor',
    type='SingleTeacherDistill',
    architecture=dict(cfg_path='mmcls::resnet/resnet18_8xb32_in1k.py', pretrained=False),
    teacher=dict(cfg_path='mmcls::resnet/resnet34_8xb32_in1k.py', pretrained=True),
    distiller=dict(
        type='ConfigurableDistiller',
        student_recorders=dict(fc=dict(type='ModuleOutputs', source='head.fc')),
        teacher_recorders=dict(fc=dict(type='ModuleOutputs', source='head.fc')),
        distill_losses=dict(loss_kl=dict(type='KLDivergence', tau=1, loss_weight=3)),
        loss_forward_mappings=dict(
            loss_kl=dict(
                preds_S=dict(from_student=True, recorder='fc'),
                preds_T=dict(from_student=False, recorder='fc')))))

find_unused_parameters = True

val_cfg = dict(_delete_=True, type='mmrazor.SingleTeacherDistillValLoop')
`;

// `type='mmcls.ResNet'`: the name, and the package it is from. A prefix counts before the scope.
import type { Place } from './place.ts';

export interface TypeName {
  /** Without a prefix. */
  readonly name: string;
  /** The prefix, else the scope of the place. */
  readonly scope: string;
  /** As it is written. */
  readonly written: string;
}

/** Packages that classify images: one package that was renamed. */
const classification = new Set(['mmcls', 'mmpretrain']);

export function isClassification(scope: string): boolean {
  return classification.has(scope);
}

/** A name in parts; only known kinds of prefixes are any. */
export function typeName(written: string, { scope }: Place): TypeName {
  const prefix = /^(mm[a-z0-9]+)\.(\w+)$/.exec(written);
  return prefix === null ? { name: written, scope, written } : { name: prefix[2]!, scope: prefix[1]!, written };
}

/** A name without its prefix. */
export function withoutPrefix(written: string): string {
  return written.replace(/^mm[a-z0-9]+\.(?=\w+$)/, '');
}

/** Other spellings of names, and names that are others here, by registry. */
export const aliases: Readonly<Partial<Record<string, Readonly<Record<string, string>>>>> = {
  connectors: { ConvModuleConncetor: 'ConvModuleConnector' },
  hooks: { EarlyStoppingHook: 'EarlyStopHook', RazorVisualizationHook: 'VisualizationHook' },
};

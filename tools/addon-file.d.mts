// The types of addon-file.mjs, for src/torch/native.ts.

/** What an addon was built from. */
export interface AddonRecord {
  /** The version of Retort. */
  retort: string;
  /** A hash over the native sources. */
  sources: string;
  /** `linux-x64`. */
  platform: string;
  /** The Node it was built for; `abi` is `process.versions.modules`. */
  node: { version: string; abi: string };
  /** The libtorch it was built against: `file` is its libtorch_cpu.so, as it was then. */
  libtorch: { version: string; file: string; size: number; mtimeMs: number };
  /** The compiler's own words. */
  compiler: string;
  /** A hash over all that it was built from: equal keys mean equal addons. */
  key: string;
  /** Of the library, without the record. */
  sha256: string;
}

export interface AddonCandidate {
  origin: 'RETORT_ADDON' | 'package' | 'bundle' | 'cache';
  file: string;
  record?: AddonRecord;
  /** Why it cannot be used; undefined when it can. */
  problem?: string | undefined;
}

export interface AddonSearch {
  chosen: AddonCandidate | undefined;
  /** Those looked at, `chosen` last. */
  candidates: AddonCandidate[];
}

export function seal(library: Uint8Array, facts: Omit<AddonRecord, 'sha256'>): Buffer;
export function readAddon(file: string): AddonRecord | string;
export function hashSources(folder?: string): string | undefined;
export function mismatch(record: AddonRecord, version: string): string | undefined;
export function findAddon(version: string, env?: NodeJS.ProcessEnv): AddonSearch;
export function retortCommand(rest?: string): string;
export function setupCommand(): string;
export function doctorCommand(): string;
export function platformProblem(): string | undefined;
export const platformHelp: string;
export function explain(search: AddonSearch): { message: string; help: string };

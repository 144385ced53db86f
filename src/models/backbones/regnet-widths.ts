// The widths of a RegNet: a line, quantised in powers, the same within a stage.
import { RetortError } from '../../errors.ts';

/** The parameters that the widths of a RegNet are computed from. */
export interface RegNetArch {
  /** Width of the first block, a multiple of 8. */
  w0: number;
  /** By how much the width grows from block to block before it is quantised. */
  wa: number;
  /** The factor between the widths of two stages. */
  wm: number;
  /** Channels of a group. */
  groupW: number;
  /** Blocks in all. */
  depth: number;
  /** Channels inside a block as a multiple of those out of it. Default 1. */
  botMul?: number;
}

/** One stage of a RegNet. */
export interface RegNetStage {
  blocks: number;
  /** Channels out of each block. */
  width: number;
  /** Channels inside. */
  midWidth: number;
  groups: number;
}

/**
 * Block `i` has width `8 round(w0 wm^k / 8)`, `k = round(log((w0 + wa i) / w0) / log wm)`; blocks of one width are a stage, whose
 * width is then made a multiple of the group's. Radosavovic et al. 2020, arXiv 2003.13678.
 * @throws {RetortError} for numbers that give no such line.
 */
export function regnetStages(name: string, arch: RegNetArch): RegNetStage[] {
  const { w0, wa, wm, groupW, depth, botMul = 1 } = arch;
  if (
    !(w0 > 0 && w0 % 8 === 0 && wa >= 0 && wm > 1 && Number.isInteger(depth) && depth > 0 && groupW > 0 && botMul > 0)
  ) {
    throw new RetortError(
      `${name}: arch: expected w0 a multiple of 8, wa at least 0, wm above 1, got ${JSON.stringify(arch)}`,
    );
  }
  const counts = new Map<number, number>();
  for (let i = 0; i < depth; i++) {
    const power = roundHalfEven(Math.log((w0 + wa * i) / w0) / Math.log(wm));
    const width = roundHalfEven((w0 * wm ** power) / 8) * 8;
    counts.set(width, (counts.get(width) ?? 0) + 1);
  }
  return [...counts].map(([quantised, blocks]) => {
    const inside = Math.trunc(quantised * botMul);
    const group = Math.min(groupW, inside);
    const width = Math.trunc((roundHalfEven(inside / group) * group) / botMul);
    const midWidth = roundHalfEven(width * botMul);
    return { blocks, width, midWidth, groups: Math.floor(midWidth / group) };
  });
}

/** Halves go to the even neighbor, as in Python and NumPy. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

// The sizes of timm's RegNets by name; the digits are hundreds of millions of multiply-accumulates.
import type { RegNetArch } from '../regnet-widths.ts';

const size = (w0: number, wa: number, wm: number, groupW: number, depth: number): RegNetArch => ({
  ...{ w0, wa, wm, groupW, depth },
});

/** Those named `regnety_...` have squeeze and excitation. */
export const timmRegNets: Readonly<Record<string, RegNetArch>> = {
  regnetx_002: size(24, 36.44, 2.49, 8, 13),
  regnetx_004: size(24, 24.48, 2.54, 16, 22),
  regnetx_006: size(48, 36.97, 2.24, 24, 16),
  regnetx_008: size(56, 35.73, 2.28, 16, 16),
  regnetx_016: size(80, 34.01, 2.25, 24, 18),
  regnetx_032: size(88, 26.31, 2.25, 48, 25),
  regnetx_040: size(96, 38.65, 2.43, 40, 23),
  regnetx_064: size(184, 60.83, 2.07, 56, 17),
  regnetx_080: size(80, 49.56, 2.88, 120, 23),
  regnetx_120: size(168, 73.36, 2.37, 112, 19),
  regnetx_160: size(216, 55.59, 2.1, 128, 22),
  regnetx_320: size(320, 69.86, 2, 168, 23),
  regnety_002: size(24, 36.44, 2.49, 8, 13),
  regnety_004: size(48, 27.89, 2.09, 8, 16),
  regnety_006: size(48, 32.54, 2.32, 16, 15),
  regnety_008: size(56, 38.84, 2.4, 16, 14),
  regnety_016: size(48, 20.71, 2.65, 24, 27),
  regnety_032: size(80, 42.63, 2.66, 24, 21),
  regnety_040: size(96, 31.41, 2.24, 64, 22),
  regnety_064: size(112, 33.22, 2.27, 72, 25),
  regnety_080: size(192, 76.82, 2.19, 56, 17),
  regnety_120: size(168, 73.36, 2.37, 112, 19),
  regnety_160: size(200, 106.23, 2.48, 112, 18),
  regnety_320: size(232, 115.89, 2.53, 232, 20),
};

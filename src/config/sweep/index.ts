// Sweeps: one base config, axes that change it, and the cells that come of it.
export { cellFolder, isPicked, pickedOf, seedAxis, strange } from './axes.ts';
export type { CellValues, Picked, SweepAxis } from './axes.ts';
export { defineSweep } from './define.ts';
export type * from './define.ts';
export { isFor, loadSweep } from './load.ts';
export type { ConfigChange, LoadedSweep, SweepCell, TeacherPlan } from './load.ts';

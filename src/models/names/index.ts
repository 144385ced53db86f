// Names of tensors in other libraries' state dicts, and ours.
export { nameOfConvention, toOurNames, toTheirNames } from './names.ts';
export type { OurNames, Part, TheirNames, ToOurNamesOptions } from './names.ts';
export type { Convention } from './table.ts';

// What the folders above build on and users need not: scopes opened and closed outside of `tidy`, tensors moved between them, the
// memory behind a tensor. Not exported by the package.
export { during, requireEnded } from './modes.ts';
export { currentScope, enterScope, escapeAll, exitScope, moveToScope } from './scope.ts';
export { detachedHandle, setData } from './tensor.ts';

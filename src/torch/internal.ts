// What the folders above build on and users need not: scopes opened and closed outside of `tidy`, tensors moved between them, the
// memory behind a tensor, operators as they are called, spans of time. Not exported by the package.
export { deviceOfProcess } from './device.ts';
export { traceOperators } from './dispatch.ts';
export type { TracedCall } from './dispatch.ts';
export { during, requireEnded } from './modes.ts';
export { hasOperator } from './operators.ts';
export { currentScope, enterScope, escapeAll, exitScope, moveToScope } from './scope.ts';
export { recordSpans, span } from './spans.ts';
export type { SpanRecorder } from './spans.ts';
export { detachedHandle, setData } from './tensor.ts';
export { lendThreads, threadsGiven } from './threads.ts';

// How an operator is written in ONNX.
import type { OperatorCall } from '../operator-call.ts';

/** Writes one call as nodes, and gives the values of its results: one, or as many as the operator has. */
export type OperatorWriter = (call: OperatorCall) => string | readonly string[];

/** Writers by libtorch's names, without namespace. */
export type OperatorTable = Readonly<Record<string, OperatorWriter>>;

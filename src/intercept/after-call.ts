// What is to happen when a call is done, whether it returns a value or a promise.

/**
 * Runs `fn` on the value of a call: at once, or when the promise `result` fulfils. Returns what the tap is to return: `result`
 * itself, or a promise of the same value, which rejects as `result` does, or with what `fn` throws.
 */
export function afterCall(result: unknown, fn: (value: unknown) => void): unknown {
  if (!isThenable(result)) {
    fn(result);
    return result;
  }
  const promise = result instanceof Promise ? result : Promise.resolve(result);
  return promise.then((value: unknown) => {
    fn(value);
    return value;
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

// `node bench/chunked-loss.mjs [rows] [classes] [chunk]`: KL divergence of 8192 rows of 50,000 classes at once and in chunks of
// rows, forward and backward: time, and the most bytes beyond the logits themselves. Needs 14 GiB of memory.
import { KLDivergence } from 'retort-kd/losses';
import { emptyCache, grad, memory, ops, resetPeakMemory, tidy } from 'retort-kd/torch';

const [rows, classes, chunk] = [8192, 50_000, 128].map((usual, i) => Number(process.argv[2 + i] ?? usual));
const size = rows * classes * 4;
const gibibytes = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** Seconds and bytes of a forward and a backward, and the loss. */
function measured(options, predsS, predsT) {
  const loss = new KLDivergence({ tau: 4, ...options });
  emptyCache();
  resetPeakMemory();
  const before = memory().bytes;
  const start = process.hrtime.bigint();
  const value = tidy(() => {
    const output = loss.forward({ predsS, predsT });
    grad([output], [predsS]);
    return output.item();
  });
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, bytes: memory().peakBytes - before, value };
}

tidy(() => {
  const [predsS, predsT] = [ops.randn([rows, classes]).requiresGrad_(), ops.randn([rows, classes])];
  process.stdout.write(`${rows} x ${classes}, float32: ${gibibytes(size)} for each side's logits\n`);
  const ways = [
    { name: 'at once', options: {} },
    { name: `in chunks of ${chunk}`, options: { chunkSize: chunk } },
  ];
  for (const { options } of ways)
    measured(options, predsS.narrow(0, 0, Math.min(rows, 256)), predsT.narrow(0, 0, Math.min(rows, 256)));
  for (const { name, options } of ways) {
    const { seconds, bytes, value } = measured(options, predsS, predsT);
    const times = (bytes / size).toFixed(2);
    process.stdout.write(
      `${name}: ${seconds.toFixed(2)} s, peak ${gibibytes(bytes)} beyond the logits (${times} times their size), loss ${value}\n`,
    );
  }
});

// "Did you mean" for names out of files that nobody vouches for: comparing very long or very many names would take for ever.
import { didYouMean } from '../../errors.ts';

const maxLength = 100;
const maxCandidates = 1000;

/** `did you mean "a"?`, or a list of what there is. */
export function suggest(name: string, candidates: Iterable<string>): string {
  const short: string[] = [];
  for (const candidate of candidates) {
    if (candidate.length <= maxLength) short.push(candidate);
    if (short.length === maxCandidates) break;
  }
  return didYouMean(name.slice(0, maxLength), short);
}

/** Names that a user writes on the command line, against those that there are. */
import { nearestNames, UserError } from '../model/userError.ts';

/** Known names out of a user's list, each once, in the order of `known`; `all` and no list at all are every one of them. */
export function resolveNames(kind: string, plural: string, wanted: readonly string[] | undefined, known: readonly string[]): readonly string[] {
  if (wanted === undefined || wanted.includes('all')) return known;
  for (const name of wanted) {
    if (known.includes(name)) continue;
    const near = nearestNames(name, known);
    throw new UserError({
      what: `unknown ${kind} "${name}"`,
      why: near.length > 0 ? `the nearest known are ${near.join(', ')}` : `known are ${known.join(', ')}`,
      fix: kind === 'check' ? 'pick one of them' : `pick one of \`foliobench list ${plural}\`, or all${kind === 'workload' ? ', or the path of a trace' : ', or the path of a module'}`,
    });
  }
  return known.filter((name) => wanted.includes(name));
}

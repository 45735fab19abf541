/** Another numbering of the same litmus: pages and mappings from the other end, threads of a role in the other order. */
import type { Litmus, LitmusOperation } from '../../src/explore/litmus.ts';
import { WITH_BUFFER } from '../../src/explore/litmusShape.ts';
import { Access } from '../../src/workloads/workload.ts';

export interface Renumbering {
  readonly pages?: boolean;
  readonly windows?: boolean;
  readonly threads?: boolean;
}

/** Operations that are about no page. */
const WITHOUT_PAGE: ReadonlySet<number> = new Set([...[...WITH_BUFFER].filter((kind) => kind === Access.DeviceAccess || kind === Access.Unpin), Access.Close]);

/** Whether pages can be numbered from the other end: a walk over several pages, and what reaches beyond the end, know where the file begins. */
export const hasNumberlessPages = ({ world, threads, before }: Litmus): boolean =>
  world.shared.every((shared) => shared === world.shared[0]) &&
  [...threads.flatMap(({ operations }) => operations), ...before.map(({ operation }) => operation)].every(({ page, count }) => count === 1 && (page === 'any' || page < world.pages));

/** The litmus renumbered, and the way back for its outcomes. */
export function renumber(litmus: Litmus, { pages = false, windows = false, threads = false }: Renumbering): { readonly litmus: Litmus; readonly outcomeOf: (outcome: string) => string } {
  const { world } = litmus;
  const last = world.pages - 1;
  const pageOf = (page: number): number => (pages ? last - page : page);
  const resultOf = <T extends { readonly at?: number }>(result: T): T => (result.at === undefined ? result : { ...result, at: pageOf(result.at) });
  const operationOf = (operation: LitmusOperation): LitmusOperation => ({
    ...operation,
    page: operation.page === 'any' || WITHOUT_PAGE.has(operation.kind) ? operation.page : pageOf(operation.page),
    window: windows ? world.windowsPerProcess - 1 - operation.window : operation.window,
    ...(operation.expected === undefined ? {} : { expected: resultOf(operation.expected) }),
  });
  const vcpus = litmus.threads.filter(({ role }) => role === 'vcpu').length;
  const count = litmus.threads.length;
  /** The same both ways. */
  const placeOf = (thread: number): number => (!threads ? thread : thread < vcpus ? vcpus - 1 - thread : count - 1 - (thread - vcpus));
  const factOf = (fact: Litmus['never'][number]) => ({ ...fact, thread: placeOf(fact.thread), result: resultOf(fact.result) });
  return {
    litmus: {
      ...litmus,
      threads: litmus.threads.map((_, place) => litmus.threads[placeOf(place)]).map((thread) => ({ ...thread, operations: thread.operations.map(operationOf) })),
      before: litmus.before.map(({ thread, operation }) => ({ thread: placeOf(thread), operation: operationOf(operation) })),
      sometimes: litmus.sometimes.map(factOf),
      never: litmus.never.map(factOf),
    },
    outcomeOf: (outcome) => {
      const parts = outcome.split(' | ');
      return parts.map((_, place) => parts[placeOf(place)]).join(' | ');
    },
  };
}

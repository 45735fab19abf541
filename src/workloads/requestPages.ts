/**
 * How large the guest's requests to convert are: the same streams, with requests of at most so many pages.
 *
 * How much a guest puts into one request is its choice and that of its interface: Linux sends lists of page states on SNP
 * (struct snp_psc_desc, arch/x86/coco/sev/core.c), a range a call on TDX (tdx_map_gpa, arch/x86/coco/tdx/tdx.c), single pages under
 * pKVM. So a longer request is cut, and adjacent requests of one burst are put together: requests of one kind that follow each other
 * in one stream without anything between them, due at the same time, each beginning where the one before it ends. Their pages, taken
 * together, are cut from the first on, so a burst of n pages is ceil(n / most) requests. Pages, kinds and the order of all else stay
 * as they were.
 */
import { Access, copyAccess, createBatch } from './workload.ts';
import type { Actor, Batch, Workload } from './workload.ts';

/** The workload with requests of at most `most` pages. */
export function withRequestPages(workload: Workload, most: number): Workload {
  return {
    ...workload,
    async open(options) {
      const opened = await workload.open(options);
      return { ...opened, actors: opened.actors.map((actor) => withRequestsOf(actor, most)) };
    },
  };
}

const isRequest = (kind: number): boolean => kind === Access.ToShared || kind === Access.ToPrivate || kind === Access.ToReadOnly;

/** One actor with its requests cut and put together. Nothing is allocated after this call. */
export function withRequestsOf(actor: Actor, most: number): Actor {
  const source = createBatch();
  let next = 0;
  let end = 0;
  let hasEnded = false;
  // The pages of a burst that are not given yet; kind 0: none.
  let kind = 0;
  let page = 0;
  let count = 0;
  let atNs = 0;

  function giveRequest(batch: Batch, at: number): void {
    const pages = Math.min(count, most);
    batch.kind[at] = kind;
    batch.page[at] = page;
    batch.count[at] = pages;
    batch.slot[at] = 0;
    batch.window[at] = 0;
    batch.holdNs[at] = 0;
    batch.atNs[at] = atNs;
    page += pages;
    count -= pages;
    if (count === 0) kind = 0;
  }

  function giveAccess(batch: Batch, at: number): void {
    copyAccess(source, next, batch, at);
    next++;
  }

  /** Whether the next access of the source goes on with the burst. */
  const continues = (): boolean => source.kind[next] === kind && source.page[next] === page + count && source.atNs[next] === atNs;

  function takeRequest(): void {
    if (kind === 0) {
      kind = source.kind[next];
      page = source.page[next];
      count = 0;
      atNs = source.atNs[next];
    }
    count += source.count[next++];
  }

  function took(filled: number): void {
    next = 0;
    end = filled;
    hasEnded = filled === 0;
  }

  function fillFrom(batch: Batch, from: number): number | Promise<number> {
    let at = from;
    while (at < batch.kind.length) {
      if (kind !== 0 && count >= most) giveRequest(batch, at++);
      else if (next < end) {
        if (isRequest(source.kind[next]) && (kind === 0 || continues())) takeRequest();
        else if (kind !== 0) giveRequest(batch, at++);
        else giveAccess(batch, at++);
      } else if (!hasEnded) {
        const filled = actor.fill(source);
        if (typeof filled !== 'number') {
          const soFar = at;
          return filled.then((later) => {
            took(later);
            return fillFrom(batch, soFar);
          });
        }
        took(filled);
      } else if (kind !== 0) giveRequest(batch, at++);
      else break;
    }
    return at;
  }

  return { ...actor, fill: (batch) => fillFrom(batch, 0) };
}

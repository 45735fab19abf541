/**
 * Which pages the guest shares, counted: two live buffers may lie in one page (a swiotlb slot is 2 KiB), and the page is
 * taken back only when the last of them is gone. Requests are maximal runs of pages that really change side.
 */
type Request = (page: number, count: number) => void;

export class SharedPages {
  /** Users of each page. 32 bits: coherent memory may overlap without end in a strange file. */
  private readonly users: Uint32Array;

  constructor(pageCount: number) {
    this.users = new Uint32Array(pageCount);
  }

  isShared(page: number): boolean {
    return this.users[page] > 0;
  }

  /** One more user of [page, page + count); calls `toShared` for each run of pages that had none. */
  share(page: number, count: number, toShared: Request): void {
    const { users } = this;
    eachRun(page, count, (at) => users[at]++ === 0, toShared);
  }

  /** One user less of [page, page + count), each of which has one; calls `toPrivate` for each run of pages that have none left. */
  unshare(page: number, count: number, toPrivate: Request): void {
    const { users } = this;
    eachRun(page, count, (at) => --users[at] === 0, toPrivate);
  }
}

function eachRun(page: number, count: number, changes: (page: number) => boolean, request: Request): void {
  const end = page + count;
  let begin = page;
  for (let at = page; at < end; at++) {
    if (changes(at)) continue;
    if (at > begin) request(begin, at - begin);
    begin = at + 1;
  }
  if (end > begin) request(begin, end - begin);
}

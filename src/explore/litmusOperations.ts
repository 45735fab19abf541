/**
 * Operations of the conversion family's litmus language.
 *
 * `OPERATIONS` has them all with their forms; litmus/README.md has an example of each.
 */
import { TaskFlag } from '../model/tasks.ts';
import { Access } from '../workloads/workload.ts';
import type { Details, OperationForm, OperationKinds, Words } from './grammar.ts';

export const OPERATIONS: readonly OperationForm[] = [
  { words: 'guest read', form: 'guest read PAGE', read: ({ page }) => ({ kind: Access.GuestRead, ...page() }) },
  { words: 'guest write', form: 'guest write PAGE [VALUE]', read: ({ page, writtenValue }) => ({ kind: Access.GuestWrite, ...page(), value: writtenValue() }) },
  { words: 'host read', form: 'host read PAGE [through N]', read: ({ page, window }) => ({ kind: Access.HostRead, ...page('beyond'), window: window() }) },
  {
    words: 'host write',
    form: 'host write PAGE [VALUE] [through N]',
    read: ({ page, writtenValue, window }) => ({ kind: Access.HostWrite, ...page('beyond'), value: writtenValue(), window: window() }),
  },
  { words: 'to-private', form: 'to-private RANGE', read: ({ range }) => ({ kind: Access.ToPrivate, ...range() }) },
  { words: 'to-shared', form: 'to-shared RANGE', read: ({ range }) => ({ kind: Access.ToShared, ...range() }) },
  { words: 'to-read-only', form: 'to-read-only RANGE', read: ({ range }) => ({ kind: Access.ToReadOnly, ...range() }) },
  { words: 'pin', form: 'pin RANGE as NAME [short|long-term|get] [read|write] [fast|slow]', read: readPin },
  { words: 'vmsplice', form: 'vmsplice RANGE as NAME', read: ({ range, expect, buffer }) => ({ kind: Access.Splice, ...range(), slot: (expect('as'), buffer()) }) },
  { words: 'access', form: 'access NAME', read: ({ buffer }) => ({ kind: Access.DeviceAccess, slot: buffer() }) },
  { words: 'unpin', form: 'unpin NAME', read: ({ buffer }) => ({ kind: Access.Unpin, slot: buffer() }) },
  { words: 'io', form: 'io RANGE', read: ({ range }) => ({ kind: Access.Io, ...range() }) },
  { words: 'copy', form: 'copy RANGE', read: ({ range }) => ({ kind: Access.Copy, ...range() }) },
  { words: 'punch', form: 'punch RANGE|bytes OFFSET+LENGTH', read: ({ bytesOrRange }) => ({ kind: Access.Punch, ...bytesOrRange() }) },
  { words: 'allocate', form: 'allocate RANGE|bytes OFFSET+LENGTH', read: ({ bytesOrRange }) => ({ kind: Access.Allocate, ...bytesOrRange() }) },
  {
    words: 'mmap',
    form: 'mmap RANGE [private] [through N]',
    read: ({ range, take, window }) => ({ kind: Access.Map, ...range('beyond'), flags: take('private') ? TaskFlag.CopyOnWrite : 0, window: window() }),
  },
  { words: 'munmap', form: 'munmap RANGE [through N]', read: ({ range, window }) => ({ kind: Access.Unmap, ...range('beyond'), window: window() }) },
  { words: 'fork', form: 'fork [reads PAGE]', read: ({ take, page }) => ({ kind: Access.Fork, ...(take('reads') ? page() : {}) }) },
  { words: 'close', form: 'close', read: () => ({ kind: Access.Close }) },
  { words: 'secondary map', form: 'secondary map PAGE', read: ({ page }) => ({ kind: Access.SecondaryMap, ...page() }) },
  { words: 'secondary access', form: 'secondary access PAGE', read: ({ page }) => ({ kind: Access.SecondaryAccess, ...page() }) },
];

/** Kinds that fill a buffer with references. */
export const FILLERS: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice]);

export const KINDS: OperationKinds = {
  readers: new Set([Access.GuestRead, Access.HostRead, Access.DeviceAccess, Access.Copy, Access.Fork, Access.SecondaryAccess]),
  requests: new Set([Access.ToPrivate, Access.ToShared, Access.ToReadOnly]),
  guest: new Set([Access.GuestRead, Access.GuestWrite]),
  fills: FILLERS,
  uses: new Set([Access.DeviceAccess]),
  drops: new Set([Access.Unpin]),
};

function readPin({ range, expect, buffer, oneOf }: Words): Details {
  const pages = range();
  expect('as');
  const slot = buffer();
  const kind = { short: Access.PinShort, 'long-term': Access.PinLong, get: Access.Splice }[oneOf(['short', 'long-term', 'get']) ?? 'short'];
  const readOnly = oneOf(['read', 'write']) === 'read' ? TaskFlag.ReadOnly : 0;
  const path = { fast: TaskFlag.FastOnly, slow: TaskFlag.SlowOnly, both: 0 }[oneOf(['fast', 'slow']) ?? 'both'];
  return { kind, ...pages, slot, flags: readOnly | path };
}

/**
 * folio-put-callback (P12): three states. A page that the host still has goes into one in which neither side may use it, and the last put
 * of a reference, whoever does it, turns it private: nobody has to ask again.
 *
 * The VMM unmaps before it asks, since the folio's type takes the place of its mapping count; after EAGAIN it waits to be told. After
 * 100 ms it gives the request up, and the page stays where it is until the last reference goes or the guest shares it again: a vCPU that
 * touches it waits as long and then fails, where under other policies the guest goes on with a shared page.
 * What is still mapped gets no callback: EAGAIN then leaves the page in the third state with nobody to end it but another request.
 * The test is the count, on which the callback is called; no other can be chosen.
 * Folios have one page, as in the series: where a run asks for large ones core-mm sees small ones over large memory.
 */
import { drainToPrivateSteps, drainToSharedSteps } from '../../model/putCallback.ts';
import type { ConversionPolicy } from '../policy.ts';
import { PUT_CALLBACK_SERIES } from '../sources.ts';
import { mapSharedPages, unmapFolios } from './dance.ts';

export const folioPutCallback: ConversionPolicy = {
  name: 'folio-put-callback',
  summary: 'a page in use can be used by neither side until the last put of a reference, which turns it private; the VMM unmaps first, and waits to be told',
  argument: {
    idea:
      'a third state between shared and private: the host\'s references drain, and neither side may map the page. The folio gets a type, the page cache gives its ' +
      'references up, and the last put calls back. The type is set before the count is looked at, so that no put is missed',
    for: [
      { who: 'Fuad Tabba', says: 'the last put tells that the host has no reference left, so that nobody has to poll', mail: '17 Jan 2025' },
      { who: 'David Hildenbrand', says: 'took part upstream in the discussion that the callback at the last put came out of' },
    ],
    against: [
      { who: 'Kirill Shutemov', says: 'the look at the count is racy: nothing stops anybody from taking a reference just after it' },
      { who: 'Ackerley Tng', says: 'where the folio has left the file, by a hole or a close, the callback finds no mapping' },
      { who: 'Authors of the in-place conversion series', says: 'no type and no third state: EAGAIN, and user space tries again' },
    ],
    price:
      'the guest loses the page for as long as the longest reference lives; one more page type, which excludes mappings; page-cache users that meet counts lower than their ' +
      'own reference; a worker, because the last put may be in atomic context and the callback takes invalidate_lock',
    sources: [PUT_CALLBACK_SERIES],
  },
  family: 'conversion',
  checks: ['refcount'],
  onRequest: true,
  coreOrder: () => 0,
  rules: () => ({
    toPrivate: drainToPrivateSteps(),
    toShared: drainToSharedSteps(),
    keeps: 'put-callbacks',
    vmm: {
      mapsAtStart: { private: 'none', shared: 'full' },
      beforeToPrivate: { steps: unmapFolios },
      afterRequest: { steps: mapSharedPages },
      awaitsCallback: true,
    },
  }),
};

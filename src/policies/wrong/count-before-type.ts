/**
 * count-before-type, wrong on purpose: decides by the count that it has read before the folio has its type.
 *
 * What is wrong: the count says that somebody has the folio, so that its own reference is put, and then the folio gets its type and the page
 * cache gives its references up, without another look. The last user may have put its reference in between: that put was not the
 * last one, because the page cache still had its own, and giving those up is no put. Nobody is left who could call back.
 * Right:  set the type, give the references up, and look at what is left, with a reference of one's own until then: a put in between
 *         is counted, or the own one is the last.
 * Caught by litmus/conversion/last-put-against-callback.litmus.yaml.
 */
import { putFolio, unlockFolio } from '../../model/fault.ts';
import { cacheReferences } from '../../model/folios.ts';
import { FolioType, setFolioType } from '../../model/folioType.ts';
import { drainToPrivateSteps, registerSteps } from '../../model/putCallback.ts';
import { Flow, goTo, step } from '../../model/step.ts';
import type { Run } from '../../model/step.ts';
import { folioPutCallback } from '../conversion/folio-put-callback.ts';
import type { ConversionPolicy } from '../policy.ts';
import { between } from './steps.ts';

/** It knows already that the folio is in use. */
const giveUp: Run = (world, task) => {
  const page = world.page[task];
  world.refcount[page] -= cacheReferences(world, page);
  setFolioType(world, page, FolioType.Armed);
  return Flow.Next;
};

export const countBeforeType: ConversionPolicy = {
  ...folioPutCallback,
  name: 'count-before-type',
  summary: 'wrong on purpose: registers the callback by a count that it has read before the folio has its type',
  rules: (options) => {
    const right = registerSteps();
    const wrong = [
      ...between(right, 'state.none', 'folio.readMapcount'),
      step('folio.putEarly', putFolio),
      ...between(right, 'folio.setType', 'folio.setType'),
      step('folio.giveUpReferences', giveUp),
      step('folio.unlockEarly', unlockFolio),
      goTo('page.unused'),
    ];
    return { ...folioPutCallback.rules(options), toPrivate: drainToPrivateSteps(wrong) };
  },
};

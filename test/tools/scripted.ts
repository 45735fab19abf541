/** What tests drive a run with. */
export { a, scripted, scriptedActors } from '../../src/workloads/scripted.ts';
export type { ScriptedAccess, ScriptedActor, ScriptedOptions } from '../../src/workloads/scripted.ts';

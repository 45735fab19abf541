/**
 * Who waits for what, first come, first served. A task that was woken and has to wait again keeps its place.
 *
 * Those who wait stand in one short list, whatever they wait for: it is never longer than the world has tasks, and a wait
 * comes far more often than a long queue.
 */
import { WAIT_KINDS } from '../model/meter.ts';
import { lockClassOf } from '../model/locks.ts';

export class Waiters {
  /** Tasks that wait. */
  count = 0;
  /** Classes of what is waited for, one bit each (`lockClassOf`). */
  classes = 0;
  private readonly waiting: Int32Array;
  private readonly waitsOn: Float64Array;
  private readonly ticket: Float64Array;
  private readonly countOfClass = new Int32Array(WAIT_KINDS);
  private nextTicket = 1;

  constructor(tasks: number) {
    this.waiting = new Int32Array(tasks);
    this.waitsOn = new Float64Array(tasks);
    this.ticket = new Float64Array(tasks);
  }

  wait(waitOn: number, task: number): void {
    if (this.ticket[task] === 0) this.ticket[task] = this.nextTicket++;
    this.waitsOn[task] = waitOn;
    this.waiting[this.count++] = task;
    const lockClass = lockClassOf(waitOn);
    this.countOfClass[lockClass]++;
    this.classes |= 1 << lockClass;
  }

  /** Takes the first waiter out, or -1. */
  wake(waitOn: number): number {
    const { waiting, waitsOn, ticket } = this;
    let first = -1;
    for (let place = 0; place < this.count; place++) {
      const task = waiting[place];
      if (waitsOn[task] === waitOn && (first < 0 || ticket[task] < ticket[waiting[first]])) first = place;
    }
    if (first < 0) return -1;
    return this.takeOut(first);
  }

  /** Takes a task out that nobody has woken. @returns whether it waited */
  leave(task: number): boolean {
    const { waiting, count } = this;
    let place = 0;
    while (place < count && waiting[place] !== task) place++;
    if (place < count) this.takeOut(place);
    return place < count;
  }

  private takeOut(place: number): number {
    const { waiting, waitsOn, countOfClass } = this;
    const task = waiting[place];
    waiting[place] = waiting[--this.count];
    const lockClass = lockClassOf(waitsOn[task]);
    if (--countOfClass[lockClass] === 0) this.classes &= ~(1 << lockClass);
    return task;
  }

  /** What the task waits for, or waited for last. */
  waitedOn(task: number): number {
    return this.waitsOn[task];
  }

  /** The task has what it waited for. */
  served(task: number): void {
    this.ticket[task] = 0;
  }

  wasWaiting(task: number): boolean {
    return this.ticket[task] !== 0;
  }
}

/**
 * The task queue: a binary heap of tasks by virtual time, ties to the lower task.
 *
 * A task is in the heap while it could take a step and is not the one that runs. Behind the last task stands one that never
 * goes on, which is the earliest of an empty heap: who comes first, and when, is asked after every step, and so needs no branch.
 */
export class TaskQueue {
  /** Virtual time of each task, and Infinity behind the last. The engine may write it directly for a task that is not in the heap. */
  readonly timeNs: Float64Array;
  private readonly heap: Int32Array;
  private readonly place: Int32Array;
  private length = 0;

  constructor(tasks: number) {
    this.timeNs = new Float64Array(tasks + 1);
    this.timeNs[tasks] = Infinity;
    this.heap = new Int32Array(tasks).fill(tasks, 0, 1);
    this.place = new Int32Array(tasks).fill(-1);
  }

  get size(): number {
    return this.length;
  }

  /** The earliest task; the number of tasks where the heap is empty. When it goes on stands in `timeNs`. */
  get first(): number {
    return this.heap[0];
  }

  has(task: number): boolean {
    return this.place[task] >= 0;
  }

  push(task: number, timeNs: number): void {
    this.timeNs[task] = timeNs;
    this.rise(this.length++, task);
  }

  pop(): number {
    const { heap, place } = this;
    const task = heap[0];
    place[task] = -1;
    const last = heap[--this.length];
    if (this.length > 0) this.sink(0, last);
    else heap[0] = place.length;
    return task;
  }

  /** The task comes later than it thought. */
  delay(task: number, timeNs: number): void {
    this.timeNs[task] = timeNs;
    this.sink(this.place[task], task);
  }

  /** The task comes earlier than it thought. */
  hasten(task: number, timeNs: number): void {
    this.timeNs[task] = timeNs;
    this.rise(this.place[task], task);
  }

  /** Puts `task` in and takes the earliest out, in one pass; the answer may be the same task. */
  replaceFirst(task: number, timeNs: number): number {
    this.timeNs[task] = timeNs;
    const first = this.heap[0];
    if (this.before(task, first)) return task;
    this.place[first] = -1;
    this.sink(0, task);
    return first;
  }

  /** Whether `a` comes before `b`. */
  private before(a: number, b: number): boolean {
    const { timeNs } = this;
    return timeNs[a] < timeNs[b] || (timeNs[a] === timeNs[b] && a < b);
  }

  private rise(from: number, task: number): void {
    const { heap, place } = this;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(task, heap[parent])) break;
      heap[at] = heap[parent];
      place[heap[at]] = at;
      at = parent;
    }
    heap[at] = task;
    place[task] = at;
  }

  private sink(from: number, task: number): void {
    const { heap, place, length } = this;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.before(heap[child + 1], heap[child])) child++;
      if (!this.before(heap[child], task)) break;
      heap[at] = heap[child];
      place[heap[at]] = at;
      at = child;
    }
    heap[at] = task;
    place[task] = at;
  }
}

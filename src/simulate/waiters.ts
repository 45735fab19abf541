/** Who waits for what, first come, first served. A task that was woken and has to wait again keeps its place. */
export class Waiters {
  /** Tasks that wait, all queues together. */
  count = 0;
  private readonly queues = new Map<number, number[]>();
  private readonly ticket: Float64Array;
  private nextTicket = 1;

  constructor(tasks: number) {
    this.ticket = new Float64Array(tasks);
  }

  wait(waitOn: number, task: number): void {
    let queue = this.queues.get(waitOn);
    if (queue === undefined) this.queues.set(waitOn, (queue = []));
    if (this.ticket[task] === 0) this.ticket[task] = this.nextTicket++;
    let at = queue.length;
    while (at > 0 && this.ticket[queue[at - 1]] > this.ticket[task]) at--;
    queue.splice(at, 0, task);
    this.count++;
  }

  /** Takes the first waiter out, or -1. */
  wake(waitOn: number): number {
    const queue = this.queues.get(waitOn);
    if (queue === undefined || queue.length === 0) return -1;
    this.count--;
    const task = queue.shift();
    if (queue.length === 0) this.queues.delete(waitOn);
    return task ?? -1;
  }

  /** The task has what it waited for. */
  served(task: number): void {
    this.ticket[task] = 0;
  }

  wasWaiting(task: number): boolean {
    return this.ticket[task] !== 0;
  }
}

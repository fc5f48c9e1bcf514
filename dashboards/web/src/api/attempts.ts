import { Refused } from "./client";

/** From this status on nobody knows whether the order was taken. */
const UNKNOWN = 500;

/**
 * The idempotency keys of what a person orders here: one for each thing that is asked for, the same until it is answered.
 * So a second press after a lost answer is no second order, and another drawer is another order.
 */
export class Attempts {
  private readonly open = new Map<string, string>();

  /** Sends with the key of what is asked for; an answer or a refusal ends the attempt, silence does not. */
  async send<T>(asked: unknown[], send: (key: string) => Promise<T>): Promise<T> {
    const what = JSON.stringify(asked);
    const key = this.open.get(what) ?? crypto.randomUUID();
    this.open.set(what, key);
    try {
      const answer = await send(key);
      this.open.delete(what);
      return answer;
    } catch (error) {
      if (error instanceof Refused && error.status < UNKNOWN) this.open.delete(what);
      throw error;
    }
  }
}

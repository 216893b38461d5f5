/** What an adapter finds when it is asked whether it can do its work: one line of `sluice doctor`. */
export interface Access {
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was seen, one sentence. Never a value of a secret. */
  readonly message: string;
  /** What to do about it; null: nothing. */
  readonly hint: string | null;
}

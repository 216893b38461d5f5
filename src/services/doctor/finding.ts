/** What `sluice doctor` says of one part of the surroundings. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do about it; null: nothing. */
  readonly hint: string | null;
}

import type { Notice, Occasion } from '../core/access/notice.ts';

/** Tells people that one of them is needed. */
export interface Notifier {
  /** Stays the same as long as it tells the same people in the same way; no secret in it. */
  readonly name: string;
  /** Occasions it is meant for; null: all. */
  readonly on: readonly Occasion[] | null;
  /**
   * At least once: the same notice may come again after a crash, with the same key, and the receiver can tell a repeat by that.
   * @throws OutsideError `NOTIFY_FAILED` when nobody was told: it is tried again.
   */
  tell(notice: Notice, signal: AbortSignal): Promise<void>;
}

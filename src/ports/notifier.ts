/** Tells people that one of them is needed. */
export interface Notifier {
  /** Stays the same as long as it tells the same people in the same way; no secret in it. */
  readonly name: string;
  /** Occasions it is meant for; null: all. */
  readonly on: readonly Occasion[] | null;
  /**
   * At least once: the same notice may come again after a crash, with the same key, and whoever receives it can tell by that.
   * @throws OutsideError `NOTIFY_FAILED` when nobody was told: it is tried again.
   */
  tell(notice: Notice, signal: AbortSignal): Promise<void>;
}

export type Occasion = 'approval' | 'breakGlass' | 'rollbackFailed' | 'rollbackRefused';

export interface Notice {
  /** Of this occasion of this release: equal keys are one notice. */
  readonly key: string;
  readonly occasion: Occasion;
  readonly release: string;
  readonly environment: string;
  readonly apps: readonly string[];
  /** One sentence. */
  readonly title: string;
  /** What to do, a command. */
  readonly action: string;
  /** ms since epoch */
  readonly at: number;
}

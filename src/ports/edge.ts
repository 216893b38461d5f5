import type { EdgeIntent, EdgeObservation, EdgeStats } from '../core/app/traffic.ts';

/**
 * The data path: users → edge → app versions. An edge keeps serving while the control plane and
 * PostgreSQL are down, and keeps what it was last told across its own restart.
 *
 * The whole intent for one app is sent at once and converged to (observe, ensure, return what is
 * observed), so every call may be repeated.
 */
export interface Edge {
  readonly name: string;
  /**
   * Converge one app to this intent and return what the data plane then really does: the weights in
   * the answer are read back, not echoed. Existing requests are never cut.
   * @throws FencedError when `intent.fence` is lower than the highest fence accepted for this app.
   */
  apply(intent: EdgeIntent): Promise<EdgeObservation>;
  /** What the data plane does now for one app; null when it does not know the app. */
  observe(app: string): Promise<EdgeObservation | null>;
  /** Monotone counters per version since the edge's epoch. Versions at weight 0 are included. */
  stats(app: string): Promise<EdgeStats>;
  /** Forget an app. Requests for its routes are answered 404 afterwards. Repeatable. */
  remove(app: string, fence: number): Promise<void>;
}

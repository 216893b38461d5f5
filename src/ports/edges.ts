import type { Edge } from './edge.ts';

export interface Edges {
  /**
   * The edge of an environment as its configuration says, started or adopted on first use. A rule that has changed since is
   * followed within seconds; one that cannot be read changes nothing.
   * @throws UserError EDGE_CHANGED, EDGE_UNKNOWN, EDGE_PORT_TAKEN
   */
  of(environment: string): Promise<Edge>;
  /**
   * The edge that serves an environment already, started again with the settings that it was started with: whatever the
   * configuration says by now, or whether it can be read. Null: none has ever been started.
   */
  serving(environment: string): Promise<Edge | null>;
  /** Where users reach it; null while no edge of it has been started. */
  url(environment: string): Promise<string | null>;
  /** Look after the edges that earlier control planes started. */
  adopt(): Promise<void>;
  /** Stop looking after them; they go on serving. */
  leave(): void;
  stopAll(): Promise<void>;
}

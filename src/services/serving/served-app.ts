/** What users of one app get now. */
export interface ServedApp {
  readonly app: string;
  readonly routes: readonly {
    /** Host and path, as they were asked. */
    readonly route: string;
    /** Status of the answer; null: there was none. */
    readonly status: number | null;
    /** Why users are not served; null: they are. */
    readonly trouble: string | null;
  }[];
  /** What is wrong with the app for its users, one phrase; null: nothing is known to be. */
  readonly trouble: string | null;
}

import { loadConfig } from './load.ts';
import type { Config } from '../schema/workspace.ts';

/** The configuration of one workspace, as a control plane reads it. */
export interface ConfigReader {
  /**
   * The configuration as it stands now. One process evaluates it at a time; calls that arrive meanwhile share the next reading,
   * because the running one may have read a file before the caller changed it.
   * @throws as `loadConfig`.
   */
  read(): Promise<Config>;
  /** The last reading that was right, without a new one; null before the first. */
  last(): Config | null;
}

export interface ConfigReaderOptions {
  /** Root of the workspace. */
  readonly dir: string;
  /** Sees each reading before its caller does. */
  readonly onRead?: (config: Config) => void;
  readonly load?: (dir: string) => Promise<Config>;
}

export function createConfigReader({ dir, onRead = () => {}, load = loadConfig }: ConfigReaderOptions): ConfigReader {
  let running: Promise<unknown> | null = null;
  let following: Promise<Config> | null = null;
  let last: Config | null = null;
  const begin = (): Promise<Config> => {
    const reading = load(dir)
      .then((config) => {
        onRead(config);
        last = config;
        return config;
      })
      .finally(() => {
        running = null;
      });
    running = reading.catch(() => undefined);
    return reading;
  };
  return {
    read() {
      if (running === null) return begin();
      following ??= running.then(() => {
        following = null;
        return begin();
      });
      return following;
    },
    last: () => last,
  };
}

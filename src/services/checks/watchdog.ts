import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';

/** Ends process groups when this process dies, however it dies. */
export interface Watchdog {
  watch(group: number): void;
  forget(group: number): void;
  /** It goes when nothing is watched any more. */
  dismiss(): void;
}

/** The kernel closes its standard input when we die; then it kills what it was told of. A shell: it starts in a millisecond. */
const PROGRAM = `
groups=""
while read -r sign group; do
  case $sign in
    +) groups="$groups $group" ;;
    -) rest=""; for one in $groups; do [ "$one" = "$group" ] || rest="$rest $one"; done; groups=$rest ;;
  esac
done
for one in $groups; do kill -s KILL -- "-$one" 2>/dev/null; done
exit 0
`;

export function createWatchdog(): Watchdog {
  let dog: ChildProcess | null = null;
  const tell = (line: string): void => {
    if (dog === null) {
      // A group of its own: what ends us by Ctrl-C must not end it first.
      dog = spawn('/bin/sh', ['-c', PROGRAM], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], env: {} });
      dog.on('error', () => undefined); // without a shell there is no watchdog, and checks still run
      dog.stdin?.on('error', () => undefined);
      dog.unref();
    }
    dog.stdin?.write(`${line}\n`);
  };
  return {
    watch: (group) => tell(`+ ${group}`),
    forget: (group) => tell(`- ${group}`),
    dismiss() {
      dog?.stdin?.end();
      dog = null;
    },
  };
}

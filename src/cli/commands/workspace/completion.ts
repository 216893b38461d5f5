import { script } from '@bomb.sh/tab';
import { UserError } from '../../../core/errors.ts';
import { EXIT } from '../../session/exit.ts';
import { command } from '../../session/session.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

export const completion = command<object>({
  help: `SHELL is one of ${SHELLS.join(', ')}. The script asks \`sluice complete\` for each word.

  $ source <(sluice completion bash)                                     # in ~/.bashrc
  $ source <(sluice completion zsh)                                      # in ~/.zshrc, after compinit
  $ sluice completion fish > ~/.config/fish/completions/sluice.fish`,
  options: [],
  async run(_session, { args: [asked] }) {
    const shell = SHELLS.find((one) => one === asked);
    if (shell === undefined) throw new UserError('USAGE', `there is no completion for "${asked}"`, `Shells: ${SHELLS.join(', ')}.`);
    const text = printed(() => script(shell, 'sluice', 'sluice'));
    return { exit: EXIT.ok, data: { shell, script: text }, text };
  },
});

/** What the library prints while this runs: it knows no other way to answer. */
export function printed(run: () => void): string {
  const lines: string[] = [];
  const { log } = console;
  console.log = (line: string) => void lines.push(line);
  try {
    run();
  } finally {
    console.log = log;
  }
  return lines.join('\n');
}

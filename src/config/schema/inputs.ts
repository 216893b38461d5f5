import { z } from 'zod';
import { matching } from './parts.ts';

const ALLOWED = 'a file, a folder or a pattern inside the workspace, such as "config/shared.yml", "proto" or "schemas/**/*.json"';
const input = matching(/^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$)).+$/, ALLOWED);

/** What an app, or every app, is made from besides its folder. */
export const inputs = z.array(input, { error: 'a list of files, folders and patterns' });

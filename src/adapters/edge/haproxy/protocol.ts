/** Changes when a keeper of another release would misunderstand us; such a keeper is replaced, HAProxy stays. */
export const PROTOCOL = 1;

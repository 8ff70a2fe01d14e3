// What is open on the page and belongs to no guest.
import { signal } from '@preact/signals';

export const granularity = signal<'statement' | 'line' | 'instruction'>('statement');
export const palette = signal(false);

export interface Question {
  title: string;
  start: string;
  hint: string;
  answer(text: string | undefined): void;
}
export const asked = signal<Question | undefined>(undefined);

/** Asks a person for a line of text; undefined when it is called off. */
export function question(title: string, start: string, hint: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    asked.value = {
      title, start, hint,
      answer: (text) => {
        asked.value = undefined;
        resolve(text);
      },
    };
  });
}

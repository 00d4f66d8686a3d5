// Tools that the suites of all clients offer, and what the sandbox's apps make of them: they call the one that the user's
// message names, with the simplest arguments, and tell its result.

import { z } from 'zod';

export const parameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
export const chatTools = [
  { type: 'function', function: { name: 'get_weather', description: 'The weather of a city.', parameters } },
];
export const responseTools = [
  { type: 'function', name: 'get_weather', description: 'The weather of a city.', strict: false, parameters },
];
export const ask = 'Please use get_weather.';
export const Point = z.object({ x: z.number(), tags: z.array(z.string()) });
export const filled = { x: 1, tags: ['example'] };
export const City = z.object({ city: z.string() });

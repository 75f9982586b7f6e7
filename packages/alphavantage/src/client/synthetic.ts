/** Is `true` in every answer whose prices are made up, so that nothing downstream can take them for the market's. */
export const SYNTHETIC_HEADER = 'x-synthetic-data'

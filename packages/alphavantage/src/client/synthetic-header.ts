/** The name of a header that is `true` in every answer whose prices are made up, so that no reader takes them for the market's. */
export const SYNTHETIC_HEADER = 'x-synthetic-data'

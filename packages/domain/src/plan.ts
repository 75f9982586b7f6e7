/** The plans of Alpha Vantage as ALPHAVANTAGE_PLAN names them: the free plan, and each paid plan by its requests a minute. */
export const PLANS = ['free', '75', '150', '300', '600', '1200'] as const
export type Plan = (typeof PLANS)[number]

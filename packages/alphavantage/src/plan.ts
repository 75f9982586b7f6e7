import type { PlanLimits } from '@stockpile/domain/limit'

export const PLANS = ['free', '75', '150', '300', '600', '1200'] as const
export type Plan = (typeof PLANS)[number]

/**
 * What each plan allows, as of 2026. The provider changes these often (three times for the free plan since 2023), so each
 * limit can be overridden by configuration. Source: alphavantage.co/premium; the per-second burst of a premium plan is quoted as 10, 20 or 30: the least is taken
 * that lets the plan be spent (10 a second, kept with a margin, are 550 a minute).
 */
const LIMITS: Record<Plan, PlanLimits> = {
  free: { perSecond: 1, perMinute: 0, perDay: 25 },
  '75': { perSecond: 10, perMinute: 75, perDay: 0 },
  '150': { perSecond: 10, perMinute: 150, perDay: 0 },
  '300': { perSecond: 10, perMinute: 300, perDay: 0 },
  '600': { perSecond: 20, perMinute: 600, perDay: 0 },
  '1200': { perSecond: 30, perMinute: 1200, perDay: 0 },
}

export function limitsOf(plan: Plan): PlanLimits {
  return LIMITS[plan]
}

/** `outputsize=full` of TIME_SERIES_DAILY is refused on the free plan (dated reports from 2026-05 on). */
export function allowsFullHistory(plan: Plan): boolean {
  return plan !== 'free'
}

import type { PlanLimits } from '@stockpile/domain/limit'
import type { Plan } from '@stockpile/domain/plan'
import type { ProviderPlan } from '@stockpile/domain/provider'

/**
 * What each plan allows, as of 2026 (alphavantage.co/premium). The provider changes limits often (three times for the free
 * plan since 2023), so each can be overridden by configuration.
 */
export const PLAN_TABLE: Readonly<Record<Plan, ProviderPlan>> = {
  // `outputsize=full` of TIME_SERIES_DAILY is refused on the free plan (dated reports from 2026-05 on).
  free: { limits: { perSecond: 1, perMinute: 0, perDay: 25 }, servesFullHistory: false },
  // The burst a second of a premium plan is quoted as 10, 20 or 30: the least is taken with which the plan's minute can be
  // spent (10 a second, kept with a margin, are 550 a minute).
  '75': premium({ perSecond: 10, perMinute: 75 }),
  '150': premium({ perSecond: 10, perMinute: 150 }),
  '300': premium({ perSecond: 10, perMinute: 300 }),
  '600': premium({ perSecond: 20, perMinute: 600 }),
  '1200': premium({ perSecond: 30, perMinute: 1200 }),
}

function premium(limits: Omit<PlanLimits, 'perDay'>): ProviderPlan {
  return { limits: { ...limits, perDay: 0 }, servesFullHistory: true }
}

export function limitsOf(plan: Plan): PlanLimits {
  return PLAN_TABLE[plan].limits
}

export function allowsFullHistory(plan: Plan): boolean {
  return PLAN_TABLE[plan].servesFullHistory
}

import type { Scenario } from '../scenario.js'
import { clockWrong } from '../clients-and-clocks/clock-wrong.js'
import { keyInvalid } from './key-invalid.js'
import { rowsDefective } from './rows-defective.js'
import { symbolUnknown } from './symbol-unknown.js'
import { daySpentTold, keyInvalidTold } from './told.js'
import { upstreamCut } from './upstream-cut.js'
import { upstreamDaySpent } from './upstream-day-spent.js'
import { upstreamFailing } from './upstream-failing.js'
import { upstreamGarbled } from './upstream-garbled.js'
import { upstreamHuge } from './upstream-huge.js'
import { upstreamLimits } from './upstream-limits.js'
import { upstreamNonsense } from './upstream-nonsense.js'
import { upstreamOutage } from './upstream-outage.js'
import { upstreamRedirects } from './upstream-redirects.js'
import { upstreamSlow } from './upstream-slow.js'
import { upstreamThrottled } from './upstream-throttled.js'
import { upstreamUnreachable } from './upstream-unreachable.js'

/** Of the matrix what is the provider's doing. */
export const PROVIDER_SCENARIOS: readonly Scenario[] = [
  upstreamFailing,
  upstreamSlow,
  upstreamCut,
  upstreamGarbled,
  upstreamHuge,
  upstreamThrottled,
  upstreamLimits,
  upstreamDaySpent,
  daySpentTold,
  keyInvalid,
  keyInvalidTold,
  symbolUnknown,
  upstreamNonsense,
  upstreamRedirects,
  upstreamUnreachable,
  upstreamOutage,
  clockWrong,
  rowsDefective,
]

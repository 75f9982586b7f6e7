const DAY_MS = 86_400_000

/** An instant as the clock on the wall shows it, with its date unless that is today's: 14:05, 2026-12-12 09:03. */
export function clockTime(instant: Date, now: Date): string {
  const time = `${twoDigits(instant.getHours())}:${twoDigits(instant.getMinutes())}`
  return dateOf(instant) === dateOf(now) ? time : `${dateOf(instant)} ${time}`
}

/** The same for an estimate, of which the minute is worth nothing days ahead. */
export function forecastTime(instant: Date, now: Date): string {
  return instant.getTime() - now.getTime() > DAY_MS ? dateOf(instant) : clockTime(instant, now)
}

function dateOf(instant: Date): string {
  return `${instant.getFullYear()}-${twoDigits(instant.getMonth() + 1)}-${twoDigits(instant.getDate())}`
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}

const DAY_MS = 86_400_000

/** An instant in local time, with its date unless the date is that of `now`: 14:05, 2026-12-12 09:03. */
export function clockTime(instant: Date, now: Date): string {
  const time = `${twoDigits(instant.getHours())}:${twoDigits(instant.getMinutes())}`
  return dateOf(instant) === dateOf(now) ? time : `${dateOf(instant)} ${time}`
}

/** An estimated instant in local time. More than a day ahead only its date is shown, since the minute is worth nothing. */
export function forecastTime(instant: Date, now: Date): string {
  return instant.getTime() - now.getTime() > DAY_MS ? dateOf(instant) : clockTime(instant, now)
}

function dateOf(instant: Date): string {
  return `${instant.getFullYear()}-${twoDigits(instant.getMonth() + 1)}-${twoDigits(instant.getDate())}`
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}

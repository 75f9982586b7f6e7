const ADMINER = 'http://127.0.0.1:8080/'

/** Logs in by the form, as a person would, and returns the page of the database's tables. */
export async function loginToAdminer(database: string): Promise<string> {
  const form = await fetch(ADMINER)
  const cookies = new Map<string, string>()
  const keep = (response: Response) => {
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';')
      const [name = '', value = ''] = pair.split('=')
      cookies.set(name, value)
    }
  }
  keep(form)
  const cookie = () => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const login = await fetch(ADMINER, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: cookie() },
    body: new URLSearchParams({
      'auth[driver]': 'pgsql',
      'auth[server]': 'postgres',
      'auth[username]': 'stockpile',
      'auth[password]': 'stockpile',
      'auth[db]': database,
    }),
  })
  keep(login)
  const location = login.headers.get('location')
  if (location === null) throw new Error(`adminer's login form answered ${login.status}`)
  const page = await fetch(new URL(location, ADMINER), { headers: { cookie: cookie() } })
  return page.text()
}

/** An earlier text of a migration that was rewritten after databases had been made with it. */
interface EarlierText {
  /** The migration of today that stands for this text. */
  tag: string
  /** SHA-256 of the file, checked out with LF and with CRLF. The databases that it made note one of these hashes. */
  hashes: string[]
  /** What a database of that text lacks of today's tables. Functions and triggers are replaced anyway. */
  remaining: (statements: string[]) => string[]
}

const nothing = (): string[] => []

/** Every text that landed and was rewritten. The list is complete: migrations that landed no longer change. */
export const EARLIER_TEXTS: readonly EarlierText[] = [
  {
    tag: '0001_quota',
    // Some of these databases also had later migrations, of the key in use and the missing key, and so have their columns.
    hashes: [
      '0837dd922e50d8a5235d781bad27497e29de82a11ba7b1f7342b84c4660b24fc',
      '71ec3a6009e41db77779bca5f502861a678b2a54557b04a43b7c664b2108ea9e',
      'a9a12cff0680522222bc06cc11f0b7012138cb3aa1417ec48d6a2d9462ec7b8e',
      '9be6d5f25539dc2d69b64ab207e39deedb1e717b73642cd45142769ea43e4f6c',
      '98f732e539bb34d14fbe6dc3d89df26dd8af9231cebb4db5b35627a26682b7d9',
      '83236309fefe14eaa746ee4fbff5f6f04c0651c283ae8f92d9083987f2d4ed6a',
      'dd32dd73be8bdff61b9a194a43c3f8153bc4bc2879a387f2ec930a8ce0562497',
      'dfa5a86e37b1620f8bb4287994231b2c596c3e418d3c4022bde7090e58ac82b1',
      'c086f8228064ccff14d42d91b4b8ad1e250b0792e5f9fbe65cd0a4940150f8e1',
    ],
    remaining: () => [
      `ALTER TABLE "provider_state" ADD COLUMN IF NOT EXISTS "key_fingerprint" text,
         ADD COLUMN IF NOT EXISTS "key_missing_at" timestamp with time zone`,
      `UPDATE "provider_state" SET "key_fingerprint" = (
         SELECT "key_fingerprint" FROM "provider_requests" WHERE "key_fingerprint" IS NOT NULL ORDER BY "id" DESC LIMIT 1)
        WHERE "key_fingerprint" IS NULL`,
    ],
  },
  {
    tag: '0001_quota',
    hashes: [
      '5c2c332e1c3b7ec814f45bb152b812f4a15f1e062ed41c3485757003ade6edd6',
      '9c45cf20acae4b001150dd7d17c24288391f30c15a8b7b941c7d293343d8a13e',
      'e2c73859c9851f0ef605aa691c2753c82f5b69dc64a3d41a5b597a415bae24b9',
      'c205b010fb1a8695149c73234b29283434e18ee46445f431d3c036f215db230c',
    ],
    remaining: nothing,
  },
  {
    tag: '0002_items_outcome',
    // Some of these databases also had the later migration that let PostgreSQL inline needless().
    hashes: [
      '724465fe8c3c371f57b85261696dde3d049b1af345a8d781f02778fe263466e2',
      'a57bf0339d79e9b55d8c1bf19df46212af257cb6db803b6a0d442c0c59dfa789',
      '71f5e4dcc37b229a3529eddf48e71fd233873e5743defc067b6ebbc8a4545c2a',
      'ad6f5a3b38f7c65530b0ceace876716b04252637272dab06f5c8594d34f257c1',
    ],
    remaining: nothing,
  },
  {
    tag: '0003_durability',
    hashes: [
      '3776f21ff9e8a9893b628b42404ad5d00594754394389be867521b036ccbe1a3',
      '99a0559daee07b5bb8f136873ebcac62bbfebc09be626e6aa41f24c8e76c81a7',
    ],
    remaining: (statements) => statements.filter((one) => /ADD COLUMN "(refusals|had_rows)"/.test(one)),
  },
  {
    tag: '0003_durability',
    // This text had only the count of lost items, in a migration that 0003_durability replaced.
    hashes: [
      '2f518dcf8c2caa351622b2aa3e104467ed599adf8b9949989bace6e38c707398',
      'a8683690d6bf3727840bf75274939f966413626f5c3e700c1a149ea18d9d413c',
    ],
    remaining: (statements) => statements.filter((one) => !/ADD COLUMN "(alone|lone_losses)"/.test(one)),
  },
  {
    tag: '0004_data_api',
    hashes: [
      'd1eade68f627ce1b693ef8b662ec61ac1469cb679f612c412540c55898f4e3dc',
      '72f09ccbeaac17dd62a9d5b98e920b978afa5aec9bd559f8c72a688e3a9fd5cb',
      'b55fd08a560dcad0e2a768d1fe6f7f8b415d5bfd92d15bef710ef8dfa701b560',
      'df09b7e16de303b999220baaafa96bb38d3874e0bb172a9c686f0ed4008f7f69',
    ],
    remaining: nothing,
  },
  {
    tag: '0006_symbol_days',
    hashes: [
      '8fc5a681ca6389b86744c35c643dce43c42faaad32dc2c58eee284ef0673ac88',
      '04c346a59386b299c2abae4328fbef19b11e79131ca1709e7cbe091429c28553',
      '13904ef7d46fe37d533c23d13f15a8a71ff14aaeb6f628424c3766aa7e40b37d',
      'a3134b313d31e7235f3c8ee7ad1e40447d6c13df421c76d96e2752e742622a70',
    ],
    remaining: nothing,
  },
]

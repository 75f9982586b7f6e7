export type Kind = 'valid' | 'almost valid' | 'hostile' | 'malformed'

export interface FuzzRequest {
  kind: Kind
  /** What is wrong with it, or nothing. */
  what: string
  /**
   * accepted: not refused for its form; refused: a status from 400 to 499; wrong method: 405 with Allow;
   * documented: whatever the document has.
   */
  expect: 'accepted' | 'refused' | 'wrong method' | 'documented'
  method: string
  /** With the query. */
  target: string
  headers: Record<string, string>
  /** For a malformed request: all bytes of it, instead of the rest. One character a byte. */
  body: string | undefined
}

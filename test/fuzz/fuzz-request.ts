export type Kind = 'valid' | 'almost valid' | 'hostile' | 'malformed'

export interface FuzzRequest {
  kind: Kind
  /** What is wrong with the request; empty: nothing. */
  what: string
  /**
   * What the request must get. accepted: no refusal for its form; refused: a status from 400 to 499; wrong method: 405 with
   * Allow; documented: any answer that the document has.
   */
  expect: 'accepted' | 'refused' | 'wrong method' | 'documented'
  method: string
  /** The path with the query. */
  target: string
  headers: Record<string, string>
  /** One character a byte. Of a malformed request these are all bytes that are sent, its request line and headers too. */
  body: string | undefined
}

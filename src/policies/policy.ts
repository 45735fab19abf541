/** What a policy is: see the fields. Filled in with the model. */
export interface ConversionPolicy {
  readonly name: string;
  readonly summary: string;
}

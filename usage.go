package latchkey

// A UsageSum adds up the verifications of one group in one hour, day or month.
// It has the members that it was grouped by, and leaves the others out.
type UsageSum struct {
	Start       Time                  `json:"start" doc:"When the hour, day or month begins, in UTC."`
	Outcome     string                `json:"outcome,omitempty" enum:"valid,forbidden,disabled,expired,insufficient_permissions,rate_limited,usage_exceeded"`
	Key         string                `json:"key,omitempty" doc:"The id; the key may have been deleted."`
	Identity    Optional[IdentityRef] `json:"identity,omitzero" doc:"The owner at the time; null for keys without. The external id is null where the identity was deleted."`
	Tag         string                `json:"tag,omitempty" doc:"One of the verification's tags."`
	Count       int64                 `json:"count" doc:"How many verifications there were."`
	Credits     int64                 `json:"credits" doc:"The credits that they took."`
	SpendMicros int64                 `json:"spend_micros" doc:"The money that was spent, in millionths of a US dollar; with the outcome valid also what was reported outside of a verification."`
}

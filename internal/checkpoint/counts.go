package checkpoint

// Counts says what became of the records of a partition since its first one. It travels with the applied fact and in the
// metadata of the committed offset, so it is exactly as durable as they are.
type Counts struct {
	Applied    int64 `json:"a,omitempty"`
	Stale      int64 `json:"s,omitempty"`
	Duplicate  int64 `json:"d,omitempty"`
	AppOwned   int64 `json:"o,omitempty"`
	Present    int64 `json:"p,omitempty"`
	Superseded int64 `json:"c,omitempty"` // coalesced: a later change of the key was written in its place
	Dead       int64 `json:"x,omitempty"` // in the dlq
	PastClose  int64 `json:"z,omitempty"` // dropped: a zombie's snapshot record past the close
	OldGen     int64 `json:"g,omitempty"` // dropped: of an older generation
}

// Add returns the sum of both.
func (c Counts) Add(o Counts) Counts {
	c.Applied += o.Applied
	c.Stale += o.Stale
	c.Duplicate += o.Duplicate
	c.AppOwned += o.AppOwned
	c.Present += o.Present
	c.Superseded += o.Superseded
	c.Dead += o.Dead
	c.PastClose += o.PastClose
	c.OldGen += o.OldGen
	return c
}

// Total is how many records were done.
func (c Counts) Total() int64 {
	return c.Applied + c.Stale + c.Duplicate + c.AppOwned + c.Present + c.Superseded + c.Dead + c.PastClose + c.OldGen
}
